"""Ids as people write them on the command line: `1,3,5-8`, `last`, `-` for standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Annotated, Any

import typer

from culm.client import Client
from culm.core.errors import FieldFault, InvalidRequest, NotFound
from culm.core.ids import parse_ids

TaskIds = Annotated[
    list[str],
    typer.Argument(metavar="IDS", help="Task ids: 10000001, 3,5-8, last, or - (standard input)."),
]
TaskId = Annotated[str, typer.Argument(metavar="ID", help="A task id, or last.")]
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="IDS", help="Job ids: 17, 3,5-8, last, or - (standard input)."),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="A job id, or last.")]

WorkflowIds = Annotated[
    list[str],
    typer.Argument(metavar="IDS", help="Workflow ids: 12, 3,5-8, last, or - (standard input)."),
]
WorkflowId = Annotated[str, typer.Argument(metavar="ID", help="A workflow id, or last.")]


def task_ids(client: Client, words: Iterable[str]) -> list[int]:
    """The ids of the tasks that these words mean, in order, each once."""
    return _ids(words, lambda: last_task(client))


def task_id(client: Client, word: str) -> int:
    """The id of the one task that this word means."""
    return _one(task_ids(client, [word]), word)


def job_ids(client: Client, words: Iterable[str]) -> list[int]:
    """The ids of the jobs that these words mean; `last` is the last job of the last task."""
    return _ids(words, lambda: _last_job(client))


def job_id(client: Client, word: str) -> int:
    """The id of the one job that this word means."""
    return _one(job_ids(client, [word]), word)


def workflow_ids(client: Client, words: Iterable[str]) -> list[int]:
    """The ids of the workflows that these words mean, in order, each once."""
    return _ids(words, lambda: _last_workflow(client))


def workflow_id(client: Client, word: str) -> int:
    """The id of the one workflow that this word means."""
    return _one(workflow_ids(client, [word]), word)


def last_task(client: Client) -> int:
    """The id of your newest task.

    Raises:
        NotFound: you have none.
    """
    for task in client.tasks(limit=1):
        return task.task_id
    raise NotFound("last: you have no task yet", hint="culm prun --help")


def _last_workflow(client: Client) -> int:
    for view in client.workflows(limit=1):
        return view.workflow_id
    raise NotFound("last: you have no workflow yet", hint="culm chain --help")


def _last_job(client: Client) -> int:
    task = last_task(client)
    found = 0
    for job in client.jobs(task):
        found = job.job_id
    if not found:
        raise NotFound(f"last: task {task} has no job yet", hint=f"culm task show {task}")
    return found


def _ids(words: Iterable[str], last: Any) -> list[int]:
    found: dict[int, None] = {}
    for word in words:
        if word == "last":
            found[last()] = None
        elif word == "-":
            found.update(dict.fromkeys(from_stream(sys.stdin)))
        else:
            found.update(dict.fromkeys(parse_ids(word)))
    return list(found)


def _one(ids: list[int], word: str) -> int:
    if len(ids) != 1:
        fault = FieldFault("ID", repr(word), "one id is needed here")
        raise InvalidRequest(f"{len(ids)} ids where one is needed", faults=[fault])
    return ids[0]


def from_stream(stream: IO[str]) -> list[int]:
    """The ids in a text: lines of ids, tables that begin with an id, or what `--json` prints."""
    text = stream.read()
    ids = _from_json(text) if text.lstrip().startswith(("{", "[")) else _from_lines(text)
    if not ids:
        raise InvalidRequest("standard input holds no ids")
    return ids


def _from_lines(text: str) -> list[int]:
    lines = [line.split("\t")[0] for line in text.splitlines() if line.strip()]
    return [number for line in lines for number in parse_ids(line)]


def _from_json(text: str) -> list[int]:
    try:
        return [*_members(json.loads(text))]
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"standard input is not JSON: {error}") from error


def _members(value: Any) -> Iterator[int]:
    """The ids in what `culm … --json` prints: an object, a list, or a page of them."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _members(item)
    elif isinstance(value, dict):
        for name in ("job_id", "task_id", "workflow_id", "jobs", "tasks", "workflows"):
            if name in value:
                yield from _members(value[name])
                return
