"""The only code that writes a status: events through the machines, compare-and-set, in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Table, update
from sqlmodel import Session, SQLModel, select

from tasks.lifecycles import (
    DATASET,
    FILE,
    JOB,
    TASK,
    DatasetEvent,
    FileEvent,
    JobEvent,
    Machine,
    TaskEvent,
)
from tasks.statuses import JobStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in, insert_rows
from tasks.store.topics import Topic
from tasks.tables import Dataset, File, Job, StatusHistory, Task
from tasks.tables.columns import db_now


@dataclass(frozen=True, slots=True)
class Why:
    """Who reports the event, and the reason in words."""

    actor: str
    reason: str = ""


_TASK_NEWS = {
    TaskStatus.REGISTERED: Topic.TASK_REGISTERED,
    TaskStatus.REREFINE: Topic.TASK_REGISTERED,
    TaskStatus.DEFINED: Topic.TASK_DEFINED,
    TaskStatus.ASSIGNING: Topic.TASK_ASSIGNING,
    TaskStatus.READY: Topic.TASK_READY,
    TaskStatus.PREPARED: Topic.TASK_ENDING,
    TaskStatus.ABORTING: Topic.TASK_ENDING,
    TaskStatus.FINISHING: Topic.TASK_ENDING,
    TaskStatus.TOBROKEN: Topic.TASK_ENDING,
    TaskStatus.TORETRY: Topic.TASK_TO_RETRY,
}


def move_tasks(
    session: Session, ids: Iterable[int], event: TaskEvent, why: Why, **values: Any
) -> list[int]:
    """Report an event for tasks; gives the ids of those that moved.

    A task whose status does not take the event, or that moved meanwhile, stays as it is.
    `values` are other columns to write in the same statement.
    """
    values = {"reason": why.reason, **values, "version": Task.version + 1}
    moved = _move(session, Task, TASK, ids, event, values)
    _note(session, "task", moved, event, why)
    for _, to, some in moved:
        wake(session, Topic.TASK_CHANGED)
        if to in _TASK_NEWS and some:
            wake(session, _TASK_NEWS[TaskStatus(to)])
    return [i for _, _, some in moved for i in some]


def move_jobs(
    session: Session, ids: Iterable[int], event: JobEvent, why: Why, **values: Any
) -> list[int]:
    """Report an event for jobs; gives the ids of those that moved."""
    moved = _move(session, Job, JOB, ids, event, values)
    _note(session, "job", moved, event, why)
    if any(to == JobStatus.HOLDING and some for _, to, some in moved):
        wake(session, Topic.JOB_REPORTED)
    return [i for _, _, some in moved for i in some]


def move_datasets(
    session: Session, ids: Iterable[int], event: DatasetEvent, **values: Any
) -> list[int]:
    """Report an event for datasets; gives the ids of those that moved."""
    moved = _move(session, Dataset, DATASET, ids, event, values)
    return [i for _, _, some in moved for i in some]


def move_files(
    session: Session, where: ColumnElement[bool], event: FileEvent, **values: Any
) -> int:
    """Report an event for the files that a condition names; gives how many moved.

    Counters of datasets are the caller's, in the same transaction.
    """
    count = 0
    for start, to in FILE.sources(event).items():
        statement = (
            update(_table(File)).where(_table(File).c.status == str(start), where)
            .values(status=str(to), **values)
        )  # fmt: skip
        count += session.connection().execute(statement).rowcount
    return count


def _table(model: type[SQLModel]) -> Table:
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


Moved = list[tuple[str, str, list[int]]]


def _move(
    session: Session,
    model: type[SQLModel],
    machine: Machine,
    ids: Iterable[int],
    event: StrEnum,
    values: Mapping[str, Any],
) -> Moved:
    table = _table(model)
    wanted = list(ids)
    if not wanted:
        return []
    rows = session.connection().execute(
        select(table.c.id, table.c.status).where(id_in(table.c.id, wanted, session))
    )
    groups: dict[str, list[int]] = defaultdict(list)
    for row_id, status in rows:
        groups[status].append(row_id)
    sources = {str(start): str(to) for start, to in machine.sources(event).items()}
    moved: Moved = []
    for status in sorted(groups.keys() & sources.keys()):
        to = sources[status]
        statement = (
            update(table)
            .where(id_in(table.c.id, groups[status], session), table.c.status == status)
            .values(status=to, **_stamps(table, machine, to), **values)
            .returning(table.c.id)
        )
        moved.append((status, to, [r[0] for r in session.connection().execute(statement)]))
    return moved


def _stamps(table: Table, machine: Machine, to: str) -> dict[str, Any]:
    stamps: dict[str, Any] = {}
    if "modified_at" in table.c:
        stamps["modified_at"] = db_now()
    if "ended_at" in table.c:
        stamps["ended_at"] = db_now() if to in machine.final else None
    if "lease_expires_at" in table.c and to in machine.final:
        stamps["lease_expires_at"] = None
    return stamps


_HISTORY = ("noun", "entity_id", "event", "from_status", "to_status", "actor", "reason")


def _note(session: Session, noun: str, moved: Moved, event: StrEnum, why: Why) -> None:
    rows = [
        (noun, i, str(event), status, to, why.actor, why.reason)
        for status, to, some in moved
        for i in some
    ]
    if rows:
        insert_rows(session, StatusHistory, _HISTORY, rows, now=database_time(session))


def database_time(session: Session) -> datetime:
    """The present by the database's clock."""
    now: datetime = session.connection().execute(select(db_now())).scalar_one()
    return now
