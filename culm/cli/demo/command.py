"""`culm demo`: a small real analysis from end to end, on this machine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from culm.cli import installation
from culm.cli.demo import analysis, digits, parts
from culm.cli.demo.analysis import Findings
from culm.cli.demo.shifts import await_shifts
from culm.cli.demo.steps import step
from culm.cli.outcome import exit_code_of_tasks
from culm.cli.progress import tasks_shown
from culm.cli.render import Json, print_fields, print_json, say
from culm.client import Client
from culm.core.clock import utc_now
from culm.core.settings import Settings, load_settings, local_server_url
from culm.wire.views import TaskView

app = typer.Typer(rich_markup_mode=None)

TASK_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo did: its tasks, and its findings if they went well."""

    tasks: tuple[TaskView, ...]
    findings: Findings | None
    n_files_sent: int


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for what was found.")
    ] = Path("culm-demo"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running; culm down stops it.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
    as_json: Json = False,
) -> None:
    """Read 1797 handwritten digits: 18 jobs classify them, one more draws the confusion matrix.

    Starts everything that is not running. Data, keys and the dataset are kept for the next time.
    """
    started = time.monotonic()
    settings = _own(data_dir)
    begun = utc_now()
    with step_of_parts(settings, keep=keep) as was_started, _client(settings) as client:
        since = begun if was_started else begun - timedelta(days=7)
        outcome = run(client, settings, output.absolute(), since)
        stays = keep or not was_started
        if as_json:
            print_json(_document(outcome, settings, time.monotonic() - started))
        else:
            _tell(outcome, settings, stays=stays)
    if not as_json:
        say(f"{time.monotonic() - started:.0f} s in all")
    raise typer.Exit(exit_code_of_tasks(list(outcome.tasks)))


def run(client: Client, settings: Settings, folder: Path, since: datetime) -> Outcome:
    """Register the digits, submit both tasks, wait for them, fetch what they found.

    Agents whose shifts began before `since` are not those of the parts that run now.
    """
    name = analysis.dataset_name(client.whoami().user)
    n_sent = _register(client, name, settings)
    with step("waiting for Prefect, so that its pages will show the tasks"):
        if not await_shifts(settings, since):
            say("  Prefect is not ready: the work goes on, but its pages will not show it all")
    label = f"{name}.{secrets.token_hex(3)}"
    first = client.prun(analysis.classify(name, f"{label}.classified"))
    second = client.prun(analysis.merge(first.task_id, f"{label}.classified", f"{label}.confusion"))
    with tasks_shown() as show:
        tasks = tuple(client.wait([first.task_id, second.task_id], TASK_SECONDS, show))
    done = all(task.status == "done" for task in tasks)
    findings = analysis.fetch(client, tasks[1], folder) if done else None
    return Outcome(tasks=tasks, findings=findings, n_files_sent=n_sent)


def _register(client: Client, name: str, settings: Settings) -> int:
    n_done = 0
    with step(f"registering {digits.N_FILES} files of digits as {name}") as tell:

        def count() -> None:
            nonlocal n_done
            n_done += 1
            tell(f"{n_done}/{digits.N_FILES}")

        n_sent = analysis.register(client, name, settings.data_dir / "demo", count)
    if not n_sent:
        say("  they were there already")
    return n_sent


@contextmanager
def step_of_parts(settings: Settings, *, keep: bool) -> Iterator[bool]:
    """All parts running within the context; whether they had to be started."""
    shown = step("starting server, Prefect, daemon and pilot")
    with parts.all_parts(settings, keep=keep, starting=shown) as was_started:
        yield was_started
        if was_started and not keep:
            say("stopping everything")


def _own(data_dir: Path | None) -> Settings:
    """The settings of this machine's own installation, whatever server a client may use."""
    settings = load_settings({"data_dir": data_dir})
    return load_settings(
        {
            "data_dir": data_dir,
            "server_url": local_server_url(settings),
            "token_file": settings.data_dir / "tokens" / "user.token",
        }
    )


@contextmanager
def _client(settings: Settings) -> Iterator[Client]:
    client = Client(settings=settings, token_file=settings.token_file)
    try:
        yield client
    finally:
        client.close()


def _tell(outcome: Outcome, settings: Settings, *, stays: bool) -> None:
    found = outcome.findings
    if found is None:
        for task in outcome.tasks:
            say(f"task {task.task_id} {task.status}: {task.reason}")
        return
    print_fields(
        [
            ("accuracy", f"{found.accuracy:.2%} ({found.n_correct} of {found.n_images} images)"),
            ("picture", found.picture),
            ("numbers", found.numbers),
            ("tasks", ", ".join(str(task.task_id) for task in outcome.tasks)),
            ("Prefect", installation.prefect_url(settings)),
            ("API docs", f"{local_server_url(settings)}/docs"),
        ]
    )
    if stays:
        say("everything is left running; look around, then: culm down")
    else:
        say("these pages end with the demo; to look around: culm demo --keep")


def _document(outcome: Outcome, settings: Settings, seconds: float) -> dict[str, object]:
    found = outcome.findings
    shown = (
        {k: str(v) if isinstance(v, Path) else v for k, v in asdict(found).items()} if found else {}
    )
    return {
        **shown,
        "tasks": outcome.tasks,
        "n_files_sent": outcome.n_files_sent,
        "seconds": round(seconds, 1),
        "prefect_url": installation.prefect_url(settings),
        "api_docs_url": f"{local_server_url(settings)}/docs",
    }
