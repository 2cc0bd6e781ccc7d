"""`culm prun`: submit a task as PanDA's prun does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.context import client_of
from culm.cli.options import options_from
from culm.cli.render import Json, print_json, say
from culm.client.prun import Prun
from culm.core.units import parse_duration
from culm.wire.codec import encode

if TYPE_CHECKING:
    from culm.client import Client
    from culm.client.sandbox import Chosen
    from culm.wire.views import TaskAccepted

app = typer.Typer(rich_markup_mode=None)

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the task has ended.")]
Timeout = Annotated[
    str | None, typer.Option("--timeout", help="Wait no longer than this: 90, 15m, 2h.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the task and send nothing.")]
Key = Annotated[
    str | None, typer.Option("--key", help="The same key again gives the same task, not another.")
]


@app.command()
@options_from(Prun, "options")
def prun(  # noqa: PLR0913, PLR0917 - each is an option of the command
    ctx: typer.Context,
    options: Prun,
    wait: Wait = False,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Submit a task: --exec runs once for each share of the input, or --nJobs times.

    The current directory is sent along, but for big files. The task's id is printed; a line of
    what was left out goes to standard error.
    """
    client = client_of(ctx)
    timeout_seconds = parse_duration(timeout) if timeout else None
    prepared = client.prepare(options, offline=dry_run)
    if prepared.chosen:
        warn_of_left_out(prepared.chosen)
    if dry_run:
        print_json(encode(prepared.spec))
        return
    accepted = client.send(prepared, key)
    tell(accepted, as_json=as_json and not wait, quiet=as_json)
    if wait:
        raise typer.Exit(wait_for(client, accepted.task_id, timeout_seconds, as_json=as_json))
    say(f"  next: culm task wait {accepted.task_id}")


def tell(accepted: TaskAccepted, *, as_json: bool, quiet: bool) -> None:
    """Print what a submission became: its id, unless `quiet`, or all of it as JSON."""
    for warning in accepted.warnings:
        say(f"warning: {warning}")
    again = "" if accepted.created else " (was submitted before)"
    say(f"task {accepted.task_id} {accepted.name} {accepted.status}{again}")
    if as_json:
        print_json(accepted)
    elif not quiet:
        print(accepted.task_id, flush=True)


def wait_for(client: Client, task_id: int, timeout_seconds: float | None, *, as_json: bool) -> int:
    """The exit code of a task, once it has ended; progress is shown meanwhile."""
    from culm.cli.outcome import exit_code_of_tasks
    from culm.cli.progress import tasks_shown

    with tasks_shown() as show:
        tasks = client.wait([task_id], timeout_seconds, show)
    if as_json:
        print_json(tasks[0])
    return exit_code_of_tasks(tasks)


def warn_of_left_out(chosen: Chosen) -> None:
    """Name the files that are not sent, but for those that the user asked to leave out."""
    named = [left for left in chosen.left_out if left.reason]
    for left in named[:10]:
        say(f"not sent: {left}")
    if len(named) > 10:
        say(f"not sent: {len(named) - 10} more")
    if named:
        say("  big files that are needed: --extFile PATTERN, or culm dataset add and --inDS")
