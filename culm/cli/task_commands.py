"""`culm task kill`, `finish`, `retry`, `incexec`, `pause`, `resume`, `avalanche`, `release`,
`reactivate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from culm.cli.asking import Yes, confirm
from culm.cli.context import client_of
from culm.cli.ids import TaskIds, task_ids
from culm.cli.outcome import act_on, report
from culm.cli.pairs import pair
from culm.cli.render import Json
from culm.cli.task import app, touched
from culm.client import Client

Reason = Annotated[str, typer.Option(help="Kept in the task's history.")]


@app.command()
def kill(
    ctx: typer.Context, ids: TaskIds, reason: Reason = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Stop tasks and all their jobs at once."""
    client, numbers = _asked(ctx, ids, "kill", yes=yes)
    _each(numbers, lambda number: client.kill(number, reason).message, as_json=as_json)


@app.command()
def finish(
    ctx: typer.Context,
    ids: TaskIds,
    soft: Annotated[bool, typer.Option("--soft", help="Let jobs that run come to an end.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End tasks early and keep what is done."""
    client, numbers = _asked(ctx, ids, "finish", yes=yes)
    _each(
        numbers,
        lambda number: client.finish(number, soft=soft, reason=reason).message,
        as_json=as_json,
    )


@app.command()
def retry(ctx: typer.Context, ids: TaskIds, reason: Reason = "", as_json: Json = False) -> None:
    """Try again what failed."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    _each(numbers, lambda number: client.retry(number, reason).message, as_json=as_json)


@app.command()
def pause(ctx: typer.Context, ids: TaskIds, reason: Reason = "", as_json: Json = False) -> None:
    """Make no more jobs until resumed."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    _each(numbers, lambda number: client.pause(number, reason).message, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, ids: TaskIds, reason: Reason = "", as_json: Json = False) -> None:
    """Go on with paused tasks."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    _each(numbers, lambda number: client.resume(number, reason).message, as_json=as_json)


@app.command()
def incexec(
    ctx: typer.Context,
    ids: TaskIds,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A parameter to change; repeat it."),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Look at the input again and retry, with parameters changed: --set memory_mb=4000."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    parameters = dict(pair(word) for word in changes or ())
    _each(
        numbers,
        lambda number: client.incexec(number, parameters, reason).message,
        as_json=as_json,
    )


@app.command()
def avalanche(ctx: typer.Context, ids: TaskIds, reason: Reason = "", as_json: Json = False) -> None:
    """Go on without scouts, or in spite of what they found."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    _each(numbers, lambda number: client.avalanche(number, reason).message, as_json=as_json)


@app.command()
def release(ctx: typer.Context, ids: TaskIds, reason: Reason = "", as_json: Json = False) -> None:
    """Send no scouts: tasks that have not begun make all jobs at once, others wait no longer."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    _each(numbers, lambda number: client.release(number, reason).message, as_json=as_json)


@app.command()
def reactivate(
    ctx: typer.Context, ids: TaskIds, reason: Reason = "", as_json: Json = False
) -> None:
    """Look at tasks that wait again, now."""
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    _each(numbers, lambda number: client.reactivate(number, reason).message, as_json=as_json)


def _asked(ctx: typer.Context, ids: list[str], what: str, *, yes: bool) -> tuple[Client, list[int]]:
    client = client_of(ctx)
    numbers = task_ids(client, ids)
    if not yes:
        lines = touched(client, numbers)
        confirm(f"{what} {len(numbers)} task{'s' * (len(numbers) > 1)}", lines, yes=yes)
    return client, numbers


def _each(numbers: list[int], act: Callable[[int], str], *, as_json: bool) -> None:
    raise typer.Exit(report(act_on(numbers, act), as_json=as_json))
