"""The only code that writes a status: events through the machines, compare-and-set, in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Table,
    Update,
    bindparam,
    select,
    update,
)
from sqlmodel import Session, SQLModel

from tasks.lifecycles import (
    DATASET,
    FILE,
    JOB,
    STEP,
    TASK,
    WORKFLOW,
    DatasetEvent,
    FileEvent,
    JobEvent,
    Machine,
    StepEvent,
    TaskEvent,
    WorkflowEvent,
)
from tasks.statuses import JobStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import ids_among, insert_rows, one_of
from tasks.store.notices import make_notices
from tasks.store.prepared import Prepared, Values
from tasks.store.topics import Topic
from tasks.store.workflow_news import let_workflows_know
from tasks.tables import (
    Dataset,
    File,
    Job,
    JobFile,
    StatusHistory,
    Task,
    Workflow,
    WorkflowStep,
)
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
    moved = _move(session, Task, ids, event, values)
    _note(session, "task", moved, event, why)
    for _, to, some in moved:
        wake(session, Topic.TASK_CHANGED)
        if to in _TASK_NEWS and some:
            wake(session, _TASK_NEWS[TaskStatus(to)])
        if to in TASK.final:
            let_workflows_know(session, some)
            make_notices(session, some)
    return [i for _, _, some in moved for i in some]


def move_workflows(
    session: Session, ids: Iterable[int], event: WorkflowEvent, why: Why, **values: Any
) -> list[int]:
    """Report an event for workflows; gives the ids of those that moved, as `move_tasks` does."""
    values = {"reason": why.reason, **values, "version": Workflow.version + 1}
    moved = _move(session, Workflow, ids, event, values)
    _note(session, "workflow", moved, event, why)
    wake(session, Topic.WORKFLOW_CHANGED)
    return [i for _, _, some in moved for i in some]


def move_steps(
    session: Session, ids: Iterable[int], event: StepEvent, why: Why, **values: Any
) -> list[int]:
    """Report an event for instances of steps; gives the ids of those that moved.

    The version of their workflow is the caller's, in the same transaction.
    """
    moved = _move(session, WorkflowStep, ids, event, {"reason": why.reason, **values})
    _note(session, "step", moved, event, why)
    wake(session, Topic.WORKFLOW_CHANGED)
    return [i for _, _, some in moved for i in some]


def move_jobs(
    session: Session,
    ids: Iterable[int],
    event: JobEvent,
    why: Why,
    *,
    seen: Mapping[int, str] | None = None,
    **values: Any,
) -> list[int]:
    """Report an event for jobs; gives the ids of those that moved.

    `seen` is what the caller knows the statuses to be: then they are not looked up again, and
    a job that is in another by now does not move.
    """
    moved = _move(session, Job, ids, event, values, seen)
    _note_jobs(session, moved, event, why)
    return [i for _, _, some in moved for i in some]


def _note_jobs(session: Session, moved: Moved, event: JobEvent, why: Why) -> None:
    _note(session, "job", moved, event, why)
    if any(to == JobStatus.HOLDING and some for _, to, some in moved):
        wake(session, Topic.JOB_REPORTED)


def move_datasets(
    session: Session, ids: Iterable[int], event: DatasetEvent, **values: Any
) -> list[int]:
    """Report an event for datasets; gives the ids of those that moved."""
    moved = _move(session, Dataset, ids, event, values)
    return [i for _, _, some in moved for i in some]


def move_files(
    session: Session, where: ColumnElement[bool], event: FileEvent, **values: Any
) -> int:
    """Report an event for the files that a condition names; gives how many moved.

    Counters of datasets are the caller's, in the same transaction.
    """
    return sum(
        session.connection().execute(_file_statement(starts, to, where, values)).rowcount
        for to, starts in _by_target(event).items()
    )


def move_files_of_jobs(
    session: Session, job_ids: Sequence[int], kinds: tuple[str, ...], event: FileEvent
) -> int:
    """Report an event for the files of these kinds that these jobs hold: a file whose last job
    is another by now is not touched. Gives how many moved.
    """
    ids = list(job_ids)
    return sum(
        _held_statement(event, to, kinds).change(session, ids=ids) for to in _by_target(event)
    )


@cache
def _by_target(event: FileEvent) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = defaultdict(list)
    for start, to in FILE.sources(event).items():
        targets[str(to)].append(str(start))
    return dict(targets)


@cache
def _held_statement(event: FileEvent, to: str, kinds: tuple[str, ...]) -> Prepared:
    pairs, file = _table(JobFile).c, _table(File).c
    theirs = select(pairs.file_id).where(ids_among(pairs.job_id), one_of(pairs.kind, kinds))
    held = file.id.in_(theirs) & ids_among(file.job_id)
    return Prepared(_file_statement(_by_target(event)[to], to, held, {}))


def _file_statement(
    starts: Sequence[str], to: str, where: ColumnElement[bool], values: Mapping[str, Any]
) -> Update:
    table = _table(File)
    return update(table).where(one_of(table.c.status, starts), where).values(status=to, **values)


def _table(model: type[SQLModel]) -> Table:
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


_MACHINES: dict[type[SQLModel], Machine] = {
    Task: TASK, Job: JOB, Dataset: DATASET, Workflow: WORKFLOW, WorkflowStep: STEP,
}  # fmt: skip
Moved = list[tuple[str, str, list[int]]]


def _move(
    session: Session,
    model: type[SQLModel],
    ids: Iterable[int],
    event: StrEnum,
    values: Mapping[str, Any],
    seen: Mapping[int, str] | None = None,
) -> Moved:
    wanted = list(ids)
    if not wanted:
        return []
    machine = _MACHINES[model]
    found: Iterable[Any] = (
        [(i, seen[i]) for i in wanted]
        if seen is not None
        else _look_up(model).rows(session, ids=wanted)
    )
    groups: dict[str, list[int]] = defaultdict(list)
    for row_id, status in found:
        groups[status].append(row_id)
    sources = {str(start): str(to) for start, to in machine.sources(event).items()}
    moved: Moved = []
    for status in sorted(groups.keys() & sources.keys()):
        to = sources[status]
        rows = _swapped(session, model, to, groups[status], status, values)
        moved.append((status, to, rows))
    return moved


def _swapped(
    session: Session, model: type[SQLModel], to: str, ids: list[int], status: str,
    values: Mapping[str, Any],
) -> list[int]:  # fmt: skip
    if any(isinstance(value, ClauseElement) for value in values.values()):
        statement = _swap(model, to).values(**values)
        seen = {"ids": ids, "seen": status}
        return list(session.connection().execute(statement, seen).scalars())
    given = {f"to_{name}": value for name, value in values.items()}
    return _plain_swap(model, to, tuple(values)).column(session, ids=ids, seen=status, **given)


@cache
def _look_up(model: type[SQLModel]) -> Prepared:
    c = _table(model).c
    return Prepared(select(c.id, c.status).where(ids_among(c.id)))


@cache
def _swap(model: type[SQLModel], to: str) -> Any:
    """Compare and set: only rows that are still in the status seen."""
    table = _table(model)
    return (
        update(table)
        .where(ids_among(table.c.id), table.c.status == bindparam("seen"))
        .values(status=to, **_stamps(table, _MACHINES[model], to))
        .returning(table.c.id)
    )


@cache
def _plain_swap(model: type[SQLModel], to: str, names: tuple[str, ...]) -> Prepared:
    table = _table(model)
    given = {name: bindparam(f"to_{name}", type_=table.c[name].type) for name in names}
    return Prepared(_swap(model, to).values(**given))


class EachJobMove:
    """An event for jobs each of which gets values of its own: one statement for a status seen.

    `values` are columns and the parameters or expressions that fill them.
    """

    def __init__(self, event: JobEvent, **values: Any) -> None:
        self._event, self._values = event, values
        self._prepared: dict[str, Prepared] = {}

    def move(
        self, session: Session, seen: Mapping[int, str], rows: Mapping[int, Values], why: Why
    ) -> list[int]:
        """Report the event; gives the ids of the jobs that moved, those whose status takes it.

        The caller holds the jobs, or is alone: `seen` is their status, `rows` the values of each.

        Raises:
            RuntimeError: somebody moved one meanwhile; nothing may be written.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        for job_id, status in seen.items():
            groups[status].append(job_id)
        sources = {str(start): str(to) for start, to in JOB.sources(self._event).items()}
        moved: Moved = []
        for status in sorted(groups.keys() & sources.keys()):
            ids, statement = groups[status], self._statement(status, sources[status])
            done = statement.change_each(session, [{**rows[i], "moving": i} for i in ids])
            if done != len(ids):
                raise RuntimeError(f"{len(ids) - done} of {len(ids)} {status} jobs moved meanwhile")
            moved.append((status, sources[status], ids))
        _note_jobs(session, moved, self._event, why)
        return [i for _, _, some in moved for i in some]

    def _statement(self, status: str, to: str) -> Prepared:
        if status not in self._prepared:
            table = _table(Job)
            self._prepared[status] = Prepared(
                update(table)
                .where(table.c.id == bindparam("moving"), table.c.status == status)
                .values(status=to, **_stamps(table, JOB, to) | self._values)
            )
        return self._prepared[status]


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
    now: datetime = _NOW.column(session)[0]
    return now


_NOW = Prepared(select(db_now()))
