"""Tasks as PanDA's client lists them: from the books by what it filters for, in bulk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, false, func, or_, select
from sqlmodel import Session

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from tasks.statuses import TaskStatus as T
from tasks.store.bulk import id_in, text_in
from tasks.store.tables import DATASET, STEP, TASK, core
from tasks.tables import TaskOriginal
from tasks.views.shown import like

LONGEST_LIST = 10_000
_ORIGINAL = core(TaskOriginal)
_SUBMITTING = (T.DEFINED, T.ASSIGNING, T.TOPREPROCESS, T.PREPROCESSING, T.TORETRY, T.TOINCEXEC,
               T.REREFINE)  # fmt: skip
_READY = (T.READY, T.PENDING, T.PAUSED, T.THROTTLED)
_RUNNING = (T.SCOUTING, T.SCOUTED, T.RUNNING, T.PREPARED, T.FINISHING, T.ABORTING, T.TOBROKEN)
_SUPER = {
    **dict.fromkeys(_SUBMITTING, "submitting"),
    **dict.fromkeys(_READY, "ready"),
    **dict.fromkeys(_RUNNING, "running"),
}
_COUNTERS = ("n_files", "n_files_finished", "n_files_failed", "n_files_used")


def super_status(status: str) -> str:
    """The coarse status by which pbook tells what runs from what has ended."""
    return _SUPER.get(T(status), status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks a list holds: `filters` by PanDA's names of attributes; `owner` None for all."""

    owner: str | None
    filters: Mapping[str, str]
    since: datetime | None = None
    limit: int = 500


def task_rows(session: Session, wanted: Wanted) -> list[dict[str, Any]]:
    """The tasks, newest first, each as the dictionary that pbook reads.

    Raises:
        InvalidRequest: a filter that is not known.
    """
    query = select(TASK).order_by(TASK.c.id.desc()).limit(min(wanted.limit, LONGEST_LIST))
    if wanted.owner is not None:
        query = query.where(TASK.c.user_name == wanted.owner)
    if wanted.since is not None:
        query = query.where(TASK.c.modified_at >= wanted.since)
    query = _filtered(session, query, wanted.filters)
    rows = session.connection().execute(query).all()
    return list(_shown(session, rows))


def _shown(session: Session, rows: Sequence[Row[Any]]) -> Iterator[dict[str, Any]]:
    ids = [row.id for row in rows]
    counters, names = _counters(session, ids), original_names(session, ids)
    requests = request_ids(session, ids)
    for row in rows:
        n_files, n_finished, n_failed, _ = counters.get(row.id, (0, 0, 0, 0))
        yield {
            "jediTaskID": row.id,
            "reqID": requests.get(row.id, row.id),
            "taskName": names.get(row.id, row.name),
            "userName": row.user_name,
            "creationDate": row.created_at,
            "modificationTime": row.modified_at,
            "startTime": row.started_at,
            "endTime": row.ended_at,
            "status": row.status,
            "superStatus": super_status(row.status),
            "prodSourceLabel": row.activity,
            "workingGroup": row.working_group or None,
            "currentPriority": row.priority,
            "taskPriority": row.priority,
            "gshare": row.share_name,
            "resource_type": row.resource_type,
            "coreCount": row.core_count,
            "errorDialog": row.reason or None,
            "parent_tid": row.parent_task_id or row.id,
            "nfiles": n_files,
            "nfilesfinished": n_finished,
            "nfilesfailed": n_failed,
            "pctfinished": _percent(n_finished, n_files),
            "pctfailed": _percent(n_failed, n_files),
        }


def _percent(part: int, whole: int) -> int:
    return 100 * part // whole if whole else 0


def _counters(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    sums = [func.sum(DATASET.c[name]) for name in _COUNTERS]
    rows = session.connection().execute(
        select(DATASET.c.task_id, *sums)
        .where(id_in(DATASET.c.task_id, ids, session), DATASET.c.is_primary)
        .group_by(DATASET.c.task_id)
    )
    return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}


def original_names(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """The names of tasks as their client wrote them, where it was not ours."""
    name = _ORIGINAL.c.document["taskName"].as_string()
    rows = session.connection().execute(
        select(_ORIGINAL.c.task_id, name).where(id_in(_ORIGINAL.c.task_id, ids, session))
    )
    return {task_id: str(text) for task_id, text in rows}


def request_ids(session: Session, ids: Sequence[int]) -> dict[int, int]:
    """The workflow that each of these tasks is a step of; others are not in it."""
    rows = session.connection().execute(
        select(STEP.c.task_id, STEP.c.workflow_id).where(id_in(STEP.c.task_id, ids, session))
    )
    return {row[0]: row[1] for row in rows}


Condition = Callable[[Session, list[str]], ColumnElement[bool]]


def _filtered(session: Session, query: Select[Any], filters: Mapping[str, str]) -> Select[Any]:
    faults = [FieldFault(f"filters.{name}", ascii(value)[:80], unknown_name(name, _FILTERS))
              for name, value in filters.items() if name not in _FILTERS]  # fmt: skip
    if faults:
        raise InvalidRequest("unknown filter", faults=faults)
    for name, value in filters.items():
        words = [word for word in str(value).split("|") if word]
        query = query.where(_FILTERS[name](session, words))
    return query


def _by_id(session: Session, words: list[str]) -> ColumnElement[bool]:
    return id_in(TASK.c.id, _numbers(words), session)


def _by_request(session: Session, words: list[str]) -> ColumnElement[bool]:
    numbers = _numbers(words)
    steps = select(STEP.c.task_id).where(id_in(STEP.c.workflow_id, numbers, session))
    return or_(id_in(TASK.c.id, numbers, session), TASK.c.id.in_(steps))


def _by_super(_session: Session, words: list[str]) -> ColumnElement[bool]:
    return TASK.c.status.in_([str(status) for status in T if super_status(status) in words])


def _by_name(session: Session, words: list[str]) -> ColumnElement[bool]:
    # A container's name ends in a slash where the client wrote it, and without one in our books.
    return or_(false(), *(like(session, TASK.c.name, word.removesuffix("/")) for word in words))


def _by_user(session: Session, words: list[str]) -> ColumnElement[bool]:
    # The client shows names with capitals that no account has.
    return text_in(func.lower(TASK.c.user_name), [word.lower() for word in words], session)


def _equal(column: str) -> Condition:
    return lambda session, words: text_in(TASK.c[column], words, session)


_FILTERS: Mapping[str, Condition] = {
    "jediTaskID": _by_id, "reqID": _by_request, "taskName": _by_name, "userName": _by_user,
    "status": _equal("status"), "superStatus": _by_super, "prodSourceLabel": _equal("activity"),
    "workingGroup": _equal("working_group"), "gshare": _equal("share_name"),
    "resource_type": _equal("resource_type"),
}  # fmt: skip
_DIGITS = re.compile(r"[0-9]{1,18}")


def _numbers(words: list[str]) -> list[int]:
    odd = [word for word in words if not _DIGITS.fullmatch(word)]
    if odd:
        fault = FieldFault("filters", ascii(odd[0])[:80], "a task's number")
        raise InvalidRequest("this filter takes numbers", faults=[fault])
    return [int(word) for word in words]
