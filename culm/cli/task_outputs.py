"""`culm task metadata` and `culm task recover`: what jobs left, and what of it was lost."""

from __future__ import annotations

from typing import Annotated

import typer

import culm.cli.task_commands  # noqa: F401 - the other commands of `culm task`
from culm.cli.asking import Yes, confirm
from culm.cli.context import client_of
from culm.cli.errors import needs
from culm.cli.ids import TaskId, task_id
from culm.cli.render import Json, print_json, print_table, say
from culm.cli.task import app
from culm.client import Client
from culm.wire.recovery import RecoveryAnswer


@app.command()
def metadata(ctx: typer.Context, task: TaskId, as_json: Json = False) -> None:
    """Show what jobs wrote into userJobMetadata.json, as JSON: job, status, metadata."""
    client = client_of(ctx)
    found = list(client.metadata(task_id(client, task)))
    if not found and not as_json:
        say("no job has left metadata")
    print_json(found)


@app.command()
def recover(  # noqa: PLR0913, PLR0917 - one parameter an option
    ctx: typer.Context,
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="The task's id.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--ds", help="Only this dataset (names its task, too).")
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", help="Take this file for lost, wherever it is; several times."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Produce output again that was lost: the jobs that wrote it run once more."""
    client = client_of(ctx)
    number = _task(client, task, dataset)
    terms = {"dataset": dataset, "files": tuple(files or ())}
    found = client.recover(number, dry_run=True, **terms)  # type: ignore[arg-type]
    if not as_json:
        _print(found)
    if found.lost and not dry_run:
        lines = [f"{file.dataset}/{file.lfn}" for file in (*found.lost, *found.also_replaced)]
        confirm(f"run {found.n_jobs} jobs again and replace {len(lines)} files", lines, yes=yes)
        found = client.recover(number, **terms)  # type: ignore[arg-type]
        say(f"task {number}: {found.n_inputs} inputs are processed again")
    if as_json:
        print_json(found)


def _task(client: Client, task: str | None, dataset: str | None) -> int:
    if task is not None:
        return task_id(client, task)
    if dataset is None:
        raise needs("TASK", "missing", "name a task, or a dataset with --ds")
    found = client.dataset(dataset).task_id
    if found is None:
        raise needs("--ds", dataset, "a dataset that a task wrote")
    return found


def _print(found: RecoveryAnswer) -> None:
    lost = [(file, "lost") for file in found.lost]
    print_table(
        ("dataset", "file", "job", "what"),
        ((file.dataset, file.lfn, file.job_id, what)
         for file, what in (*lost, *((file, "comes anew, too") for file in found.also_replaced))),
    )  # fmt: skip
    say(f"task {found.task_id}: {len(found.lost)} of {found.n_checked} files are lost")
    if found.n_unchecked:
        say(f"{found.n_unchecked} files are where the server cannot look; name lost ones by --file")
