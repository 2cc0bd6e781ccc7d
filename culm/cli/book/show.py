"""`show` and `showl`: task records by pbook's filters and in its formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from culm.cli.render import print_fields, print_json, print_line, print_table, say, when
from culm.client import Client
from culm.core.errors import UserError
from culm.core.ids import FIRST_TASK_ID, parse_ids
from culm.core.nearest import unknown_name
from culm.wire.views import TaskView

FORMATS = ("standard", "long", "json", "plain")
RUN, FIN = "run", "fin"
_COLUMNS = ("JediTaskID", "Status", "Fin%", "Created", "TaskName")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which records are shown; `state` is run, fin or empty."""

    state: str = ""
    username: str = "me"
    taskname: str | None = None
    limit: int = 1000
    days: float = 14


def matching(client: Client, wanted: Filter) -> Iterator[TaskView]:
    """The tasks that a filter takes, newest first."""
    return islice(_matching(client, wanted), wanted.limit)


def _matching(client: Client, wanted: Filter) -> Iterator[TaskView]:
    oldest = (datetime.now(UTC) - timedelta(days=wanted.days)).isoformat()
    for task in client.tasks(user=wanted.username, name=wanted.taskname):
        if task.created_at < oldest:
            return
        if not wanted.state or task.final == (wanted.state == FIN):
            yield task


def numbers(value: object) -> list[int]:
    """The ids that an argument means: a number, several, or a text like `1,3-5`.

    Raises:
        UserError: it means none.
    """
    if isinstance(value, str):
        return list(parse_ids(value))
    several = value if isinstance(value, (list, tuple, set)) else [value]
    found = [n for n in several if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    if not several or len(found) != len(several):
        raise UserError(f"{value!r}: a task id or a list of them is needed", hint="help(show)")
    return found


def tasks_of(client: Client, ids: Sequence[int]) -> list[TaskView]:
    """The tasks of these ids; numbers too small for tasks are workflows', whose tasks are meant.

    Raises:
        UserError: both kinds are there.
    """
    requests = [number for number in ids if number < FIRST_TASK_ID]
    if requests and len(requests) < len(ids):
        raise UserError("ids of tasks and of workflows (requests) do not go together")
    if requests:
        steps = [step for number in requests for step in client.steps(number)]
        ids = list(dict.fromkeys(step.task_id for step in steps if step.task_id is not None))
    return [client.task(number) for number in ids]


def print_tasks(tasks: Iterable[TaskView], style: str) -> None:
    """Print records in one of the formats.

    Raises:
        UserError: there is no such format.
    """
    if style not in FORMATS:
        raise UserError(f"format={style!r}: {unknown_name(style, FORMATS)}", hint="help(show)")
    found = list(tasks)
    if style == "json":
        print_json(found)
    elif style == "long":
        _print_long(found)
    elif style == "plain":
        for task in found:
            print_line(*_row(task))
    else:
        print_table(_COLUMNS, map(_row, found))
    if not found:
        say("no task like that; show(days=…) looks further back")


def _row(task: TaskView) -> tuple[object, ...]:
    return task.task_id, task.status, _percent(task), when(task.created_at), task.name


def _percent(task: TaskView) -> str:
    return f"{100 * task.n_files_finished / task.n_files:.0f}%" if task.n_files else ""


def _print_long(found: Sequence[TaskView]) -> None:
    for task in found:
        if task is not found[0]:
            print()
        print_fields([
            ("jediTaskID", task.task_id), ("taskname", task.name), ("status", task.status),
            ("username", task.user), ("creationdate", when(task.created_at)),
            ("modificationtime", when(task.modified_at)), ("endtime", when(task.ended_at)),
            ("pctfinished", _percent(task)),
            ("nfilesfinished", task.n_files_finished), ("nfilesfailed", task.n_files_failed),
            ("nfiles", task.n_files or ""), ("currentpriority", task.priority),
            ("gshare", task.share), ("inDS", ", ".join(task.input_datasets)),
            ("outDS", ", ".join(task.output_datasets)), ("errordialog", task.reason),
        ])  # fmt: skip
