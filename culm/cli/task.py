"""`culm task`: list, show, wait for, command tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from culm.cli import render
from culm.cli.context import client_of
from culm.cli.ids import TaskId, TaskIds, task_id, task_ids
from culm.cli.lists import Most, Named, Status, Timeout, Whose, say_if_cut
from culm.cli.render import Json, print_fields, print_json, print_table, when
from culm.cli.why import AllQueues, show_why
from culm.client import Client
from culm.core.units import parse_duration
from culm.wire.codec import encode
from culm.wire.resources import ResourceView
from culm.wire.views import TaskView

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and steer tasks.")


@app.command("list")
def list_(
    ctx: typer.Context,
    status: Status = None,
    user: Whose = "me",
    name: Named = None,
    limit: Most = 50,
    as_json: Json = False,
) -> None:
    """List tasks, newest first."""
    found = list(client_of(ctx).tasks(status or (), user, name, limit))
    if as_json:
        print_json(found)
        return
    print_table(("id", "status", "done", "user", "created", "name"), map(_row, found))
    say_if_cut(len(found), limit)


def _row(task: TaskView) -> tuple[object, ...]:
    done = f"{task.n_files_finished}/{task.n_files}" if task.n_files else ""
    return task.task_id, task.status, done, task.user, when(task.created_at), task.name


@app.command()
def show(ctx: typer.Context, ids: TaskIds, as_json: Json = False) -> None:
    """Show all that is known about tasks."""
    client = client_of(ctx)
    found = [client.task(number) for number in task_ids(client, ids)]
    used = [client.resources(task.task_id) for task in found]
    if as_json:
        documents = [encode(task) | {"resources": encode(some.resources)}
                     for task, some in zip(found, used, strict=True)]  # fmt: skip
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for task, some in zip(found, used, strict=True):
        if task is not found[0]:
            print()
        print_fields(_fields(task))
        if some.n_jobs:
            print()
            print_table((f"measured of {some.n_jobs}", "asked", "used", "next"),
                        map(_resource, some.resources))  # fmt: skip


def _resource(one: ResourceView) -> tuple[str, str, str, str]:
    name = f"{one.name} ({one.unit})" if one.unit else one.name
    asked, used, after = ("" if n is None else f"{n:.4g}" if n % 1 else f"{n:.0f}"
                          for n in (one.asked, one.used, one.next))  # fmt: skip
    return name, asked, used, after


def _fields(task: TaskView) -> list[tuple[str, object]]:
    files = f"{task.n_files_finished} finished, {task.n_files_failed} failed of {task.n_files}"
    counts = _counted(task.job_counts)
    return [
        ("task", task.task_id),
        ("name", task.name),
        ("user", task.user),
        ("status", task.status),
        ("reason", task.reason),
        ("input files", files if task.n_files else ""),
        ("jobs", counts),
        *((f"of them {kind}", _counted(some)) for kind, some in task.serving_counts.items()),
        ("priority", task.priority),
        ("share", task.share),
        ("resource type", task.resource_type),
        ("parent", task.parent_task_id),
        ("input", ", ".join(task.input_datasets)),
        ("output", ", ".join(task.output_datasets)),
        ("created", when(task.created_at)),
        ("started", when(task.started_at)),
        ("changed", when(task.modified_at)),
        ("ended", when(task.ended_at)),
    ]


def _counted(by_status: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))


@app.command()
def wait(ctx: typer.Context, ids: TaskIds, timeout: Timeout = None, as_json: Json = False) -> None:
    """Wait until tasks have ended. Exit code 0: all done, 7: partly, 1: failed, 124: too long."""
    from culm.cli.outcome import exit_code_of_tasks
    from culm.cli.progress import tasks_shown

    client = client_of(ctx)
    seconds = parse_duration(timeout) if timeout else None
    numbers = task_ids(client, ids)
    with tasks_shown() as tell:
        tasks = client.wait(numbers, seconds, tell)
    if as_json:
        print_json(tasks)
    else:
        print_table(("id", "status", "done", "user", "created", "name"), map(_row, tasks))
    raise typer.Exit(exit_code_of_tasks(tasks))


@app.command()
def watch(ctx: typer.Context, ids: TaskIds, timeout: Timeout = None) -> None:
    """Show tasks and the moves of their jobs live, until they have ended; always exit code 0."""
    from culm.cli.progress import tasks_shown

    client = client_of(ctx)
    seconds = parse_duration(timeout) if timeout else None
    numbers = task_ids(client, ids)
    with tasks_shown() as tell:
        client.wait(numbers, seconds, tell)


@app.command()
def history(ctx: typer.Context, id_: TaskId, as_json: Json = False) -> None:
    """Show every move of a task's status: when, who, why."""
    client = client_of(ctx)
    render.print_history(client.history(task_id(client, id_)), as_json=as_json)


@app.command()
def why(ctx: typer.Context, id_: TaskId, every: AllQueues = False, as_json: Json = False) -> None:
    """Say what hinders a task, or how far it is: the same as culm why."""
    client = client_of(ctx)
    show_why(client.why(task_id(client, id_), queues=every), every=every, as_json=as_json)


@app.command()
def parameters(ctx: typer.Context, id_: TaskId, as_json: Json = False) -> None:
    """Show a task's specification as it was submitted."""
    client = client_of(ctx)
    found = client.parameters(task_id(client, id_))
    if as_json:
        print_json(found)
    else:
        print_fields(encode(found).items())


@app.command()
def logs(
    ctx: typer.Context,
    id_: TaskId,
    status: Status = None,
    download: Annotated[
        Path | None, typer.Option(help="Fetch the log archives to this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the last lines of output of a task's jobs, or fetch their log archives."""
    from culm.cli.logs import fetch_logs, show_tails

    client = client_of(ctx)
    jobs = list(client.jobs(task_id(client, id_), status or ()))
    if download is not None:
        raise typer.Exit(fetch_logs(client, [job.job_id for job in jobs], download))
    show_tails(client, jobs, as_json=as_json)


def touched(client: Client, numbers: list[int]) -> list[str]:
    """A line for each of these tasks, for a person who is asked."""
    return [f"{task.task_id} {task.name} ({task.status})" for task in map(client.task, numbers)]
