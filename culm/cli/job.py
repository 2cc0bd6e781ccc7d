"""`culm job`: list, show, kill jobs; see their output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli import render
from culm.cli.asking import Yes, confirm
from culm.cli.context import client_of
from culm.cli.ids import JobId, JobIds, TaskId, job_id, job_ids, task_id
from culm.cli.outcome import act_on, report
from culm.cli.render import Json, print_fields, print_json, print_table, say, when
from culm.core.units import format_duration, format_size
from culm.wire.error_codes import SERVER_KINDS, words
from culm.wire.views import JobFileView, JobView

if TYPE_CHECKING:
    from culm.client import Client
    from culm.wire.job_requests import JobRequestView

SEQUENCE = "seq_number"
"""The kind of input that only numbers the jobs of a task without input."""

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and steer jobs.")


@app.command("list")
def list_(
    ctx: typer.Context,
    task: TaskId,
    status: Annotated[str | None, typer.Option(help="Only these: failed,running.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only these: run, scout, build, merge; commas between.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List a task's jobs."""
    client = client_of(ctx)
    found = list(client.jobs(task_id(client, task), status or (), limit, kind or ()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "kind", "status", "try", "queue", "node", "exit", "changed", "error"),
        (
            (
                j.job_id,
                j.kind,
                j.status,
                j.attempt_nr,
                j.queue,
                j.node,
                j.exit_code,
                when(j.modified_at),
                j.error,
            )
            for j in found
        ),
    )
    if len(found) == limit:
        say(f"the first {limit}; more with --limit")


@app.command()
def show(ctx: typer.Context, ids: JobIds, as_json: Json = False) -> None:
    """Show all that is known about jobs: command, files, what they used, what went wrong."""
    client = client_of(ctx)
    found = [client.job(number) for number in job_ids(client, ids)]
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    for number, job in enumerate(found):
        if number:
            print()
        print_fields(_fields(job))


def _fields(job: JobView) -> list[tuple[str, object]]:
    used = job.metrics
    return [
        ("job", job.job_id),
        ("task", job.task_id),
        ("kind", job.kind),
        ("status", job.status),
        ("attempt", job.attempt_nr),
        ("retry of", job.retry_of),
        ("error", job.error),
        ("exit code", job.exit_code),
        (
            "pilot error",
            f"{job.pilot_error_code} {words(job.pilot_error_code)}" if job.pilot_error_code else "",
        ),
        ("server error", _server_error(job.server_error_code)),
        ("command", job.command),
        *(
            (f"{file.kind} {file.stream}".strip(), _file(file))
            for file in job.files
            if file.kind != SEQUENCE
        ),
        ("queue", job.queue),
        ("node", job.node),
        ("pilot", job.pilot_id),
        ("wall time", format_duration(used["wall_seconds"]) if "wall_seconds" in used else ""),
        ("cpu time", format_duration(used["cpu_seconds"]) if "cpu_seconds" in used else ""),
        (
            "memory",
            f"{used['max_pss_mb']:.0f} MB of {job.memory_mb}" if "max_pss_mb" in used else "",
        ),
        (
            "memory growth",
            f"{used['leak_kb_per_second']:.1f} kB/s" if "leak_kb_per_second" in used else "",
        ),
        ("created", when(job.created_at)),
        ("started", when(job.started_at)),
        ("ended", when(job.ended_at)),
        ("metadata", (job.user_metadata or "").strip()),
    ]


def _server_error(code: int) -> str:
    kind = SERVER_KINDS.get(code)
    return f"{code} {kind.words if kind else ''}".strip() if code else ""


def _file(file: JobFileView) -> str:
    size = f", {format_size(file.size_bytes)}" if file.size_bytes is not None else ""
    return f"{file.dataset}/{file.lfn}{size}"


@app.command()
def history(ctx: typer.Context, id_: JobId, as_json: Json = False) -> None:
    """Show every move of a job's status: when, who, why."""
    client = client_of(ctx)
    render.print_history(client.job_history(job_id(client, id_)), as_json=as_json)


@app.command()
def logs(
    ctx: typer.Context,
    ids: JobIds,
    download: Annotated[
        Path | None, typer.Option(help="Fetch the log archives to this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the last lines of jobs' output, or fetch their log archives."""
    from culm.cli.logs import fetch_logs, show_tails

    client = client_of(ctx)
    numbers = job_ids(client, ids)
    if download is not None:
        raise typer.Exit(fetch_logs(client, numbers, download))
    show_tails(client, map(client.job, numbers), as_json=as_json)


@app.command()
def kill(
    ctx: typer.Context,
    ids: JobIds,
    reason: Annotated[str, typer.Option(help="Kept in the job's history.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Stop single jobs; their input is tried again if the task's rules allow it."""
    client = client_of(ctx)
    numbers = job_ids(client, ids)
    if not yes:
        jobs = [client.job(number) for number in numbers]
        lines = [f"{job.job_id} of task {job.task_id} ({job.status})" for job in jobs]
        confirm(f"kill {len(numbers)} job{'s' * (len(numbers) > 1)}", lines, yes=yes)
    acts = act_on(numbers, lambda number: client.kill_job(number, reason).message)
    raise typer.Exit(report(acts, as_json=as_json))


Timeout = Annotated[
    float, typer.Option(min=1, help="Seconds to wait for the pilot, which listens at heartbeats.")
]


@app.command()
def tail(
    ctx: typer.Context,
    id_: JobId,
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="A file in the job's directory.")
    ] = "payload.stdout",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=2000)] = 20,
    timeout: Timeout = 120,
    as_json: Json = False,
) -> None:
    """Show the end of a file of a running job: its output, if no other is named."""
    client = client_of(ctx)
    request = client.ask_job(job_id(client, id_), "tail", path, lines)
    _ask(client, request, timeout, as_json=as_json)


@app.command("ls")
def ls_(
    ctx: typer.Context,
    id_: JobId,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Below the job's directory.")] = ".",
    timeout: Timeout = 120,
    as_json: Json = False,
) -> None:
    """List the files of a running job."""
    client = client_of(ctx)
    _ask(client, client.ask_job(job_id(client, id_), "ls", path), timeout, as_json=as_json)


@app.command("ps")
def ps_(ctx: typer.Context, id_: JobId, timeout: Timeout = 120, as_json: Json = False) -> None:
    """List the processes of a running job: what they use, and for how long they have run."""
    client = client_of(ctx)
    _ask(client, client.ask_job(job_id(client, id_), "ps"), timeout, as_json=as_json)


@app.command()
def debug(
    ctx: typer.Context,
    id_: JobId,
    off: Annotated[bool, typer.Option("--off", help="Back to the usual heartbeats.")] = False,
    timeout: Timeout = 120,
    as_json: Json = False,
) -> None:
    """Have the pilot of a running job listen every 5 s, so that tail, ls and ps answer sooner."""
    client = client_of(ctx)
    request = client.ask_job(job_id(client, id_), "debugoff" if off else "debug")
    _ask(client, request, timeout, as_json=as_json)


def _ask(client: Client, request: JobRequestView, timeout_seconds: float, *, as_json: bool) -> None:
    from culm.cli.job_requests import ask

    ask(client, request, timeout_seconds, as_json=as_json)
