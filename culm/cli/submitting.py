"""What the commands that submit tasks share: their options, and what is said on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.render import print_json, say
from culm.client.prun_options import option
from culm.core.units import parse_duration
from culm.wire.codec import encode

if TYPE_CHECKING:
    from culm.client import Client
    from culm.client.sandbox import Chosen
    from culm.client.submission import Prepared
    from culm.wire.forecast import Forecast
    from culm.wire.views import TaskAccepted

Timeout = Annotated[
    str | None, typer.Option("--timeout", help="Wait no longer than this: 90, 15m, 2h.")
]
Key = Annotated[
    str | None, typer.Option("--key", help="The same key again gives the same task, not another.")
]


def _asked(flag: str, words: str) -> dict[str, str]:
    return option("submit", flag, words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be done beside or in place of submitting: options of every such command."""

    check: bool = field(
        default=False,
        metadata=_asked(
            "--check", "Say how many jobs it would be, where and how long; submit nothing."
        ),
    )
    dry_run: bool = field(
        default=False, metadata=_asked("--dry-run", "Print the task and send nothing.")
    )
    wait: bool = field(default=False, metadata=_asked("--wait", "Wait until the task has ended."))
    timeout: str | None = field(
        default=None, metadata=_asked("--timeout", "Wait no longer than this: 90, 15m, 2h.")
    )
    key: str | None = field(
        default=None,
        metadata=_asked("--key", "The same key again gives the same task, not another."),
    )
    json: bool = field(
        default=False, metadata=_asked("--json", "Print one JSON value and nothing else.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a kind of task is prepared, checked and sent; `next_words` name what comes next."""

    prepare: Callable[[], Prepared]
    check: Callable[[Prepared], Forecast]
    send: Callable[[Prepared], TaskAccepted]
    next_words: str = "culm task wait"


def submit(client: Client, way: Way, asked: Asked) -> None:
    """Prepare a task, say what is left out, send it, say what it became; wait if that is asked.

    Raises:
        typer.Exit: with the task's exit code, after waiting; after a check with 1 where no queue
            would ever take its jobs.
    """
    timeout_seconds = parse_duration(asked.timeout) if asked.timeout else None
    prepared = way.prepare()
    if prepared.chosen:
        warn_of_left_out(prepared.chosen)
    if asked.dry_run:
        print_json(encode(prepared.spec))
        return
    if asked.check:
        from culm.cli.forecast import show_forecast

        raise typer.Exit(show_forecast(way.check(prepared), prepared, as_json=asked.json))
    accepted = way.send(prepared)
    _tell(accepted, as_json=asked.json and not asked.wait, quiet=asked.json)
    if asked.wait:
        code = _wait_for(client, accepted.task_id, timeout_seconds, as_json=asked.json)
        raise typer.Exit(code)
    say(f"  next: {way.next_words} {accepted.task_id}")


def warn_of_left_out(chosen: Chosen) -> None:
    """Name the files that are not sent, but for those that the user asked to leave out."""
    named = [left for left in chosen.left_out if left.reason]
    for left in named[:10]:
        say(f"not sent: {left}")
    if len(named) > 10:
        say(f"not sent: {len(named) - 10} more")
    if named:
        say("  big files that are needed: --extFile PATTERN, or culm dataset add and --inDS")


def _tell(accepted: TaskAccepted, *, as_json: bool, quiet: bool) -> None:
    """Print what a submission became: its id, unless `quiet`, or all of it as JSON."""
    for warning in accepted.warnings:
        say(f"warning: {warning}")
    again = "" if accepted.created else " (was submitted before)"
    say(f"task {accepted.task_id} {accepted.name} {accepted.status}{again}")
    if as_json:
        print_json(accepted)
    elif not quiet:
        print(accepted.task_id, flush=True)


def _wait_for(client: Client, task_id: int, timeout_seconds: float | None, *, as_json: bool) -> int:
    """The exit code of a task, once it has ended; progress is shown meanwhile."""
    from culm.cli.outcome import exit_code_of_tasks
    from culm.cli.progress import tasks_shown

    with tasks_shown() as show:
        tasks = client.wait([task_id], timeout_seconds, show)
    if as_json:
        print_json(tasks[0])
    return exit_code_of_tasks(tasks)
