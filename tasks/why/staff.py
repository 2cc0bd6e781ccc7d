"""The pilots of queues: whether anybody is there who could take a job that waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlmodel import Session

from tasks.statuses import PilotStatus, QueueStatus
from tasks.store.bulk import id_in
from tasks.store.tables import JOB, JOB_WAITING, PILOT, QUEUE, QUEUE_STATISTICS
from tasks.tables import Job
from tasks.why.findings import many, since

_ACTIVE = PILOT.c.status == str(PilotStatus.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """The pilots of a queue."""

    n_slots: int = 0
    last_heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue as far as those who wait there care."""

    name: str
    status: str = ""
    last_pilot_at: datetime | None = None


def queue_rows(session: Session, ids: Iterable[int]) -> dict[int, QueueRow]:
    """These queues, with a stand-in for each that vanished while jobs are there."""
    wanted = list(ids)
    rows = session.connection().execute(
        select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.status, QUEUE_STATISTICS.c.last_pilot_at)
        .join(QUEUE_STATISTICS, QUEUE_STATISTICS.c.queue_id == QUEUE.c.id, isouter=True)
        .where(id_in(QUEUE.c.id, wanted, session))
    )  # fmt: skip
    found = {row[0]: QueueRow(row[1], row[2], row[3]) for row in rows}
    return {i: found.get(i, QueueRow(f"number {i} (it is no more)")) for i in wanted}


def pilots_in_words(queue: QueueRow, staff: Staff, now: datetime) -> str:
    """Whether anybody is there who would take a job, in words."""
    if queue.status == QueueStatus.OFFLINE:
        return "the queue is offline: its pilots get no work"
    if queue.status == QueueStatus.PAUSED:
        return "the queue is paused: nothing is sent from there"
    if staff.n_slots:
        slots = many(staff.n_slots, "slot")
        return f"pilots with {slots} are there, heard from {since(staff.last_heard_at, now)} ago"
    last = staff.last_heard_at or queue.last_pilot_at
    if last is None:
        return "no pilot was ever seen there"
    return f"no pilot is there, none was seen for {since(last, now)}"


def staff_of(session: Session, queue_ids: Iterable[int]) -> dict[int, Staff]:
    """The pilots at work at these queues."""
    rows = session.connection().execute(
        select(PILOT.c.queue_id, func.sum(PILOT.c.slots), func.max(PILOT.c.last_heard_at))
        .where(PILOT.c.status == str(PilotStatus.ACTIVE),
               id_in(PILOT.c.queue_id, queue_ids, session))
        .group_by(PILOT.c.queue_id)
    )  # fmt: skip
    return {row[0]: Staff(n_slots=int(row[1]), last_heard_at=row[2]) for row in rows}


def too_large(session: Session, job: Job) -> tuple[str, ...]:
    """What the largest pilot of a job's queue lacks, if none there can ever take the job."""
    c, run = PILOT.c, session.connection().execute
    there = (c.queue_id == job.queue_id, _ACTIVE)
    needs = {name: getattr(job, name) for name in _UNITS}
    if run(select(c.id).where(*there, _fits(needs)).limit(1)).first():
        return ()
    most = run(select(*(func.max(c[name]) for name in _UNITS)).where(*there)).one()
    lacks = [
        f"the largest pilot has {has} {unit}, {needs[name]} needed"
        for has, (name, unit) in zip(most, _UNITS.items(), strict=True)
        if has < needs[name] and (has or name != "disk_mb")
    ]
    return tuple(lacks) or ("no single pilot has all of its cores, memory and disk",)


_UNITS = {"core_count": "cores", "memory_mb": "MB of memory", "disk_mb": "MB of disk"}


def _fits(needs: Any) -> ColumnElement[bool]:
    """That a pilot has all of these, by column. A disk of 0 stands for what is free on its node."""
    c = PILOT.c
    return and_(
        c.core_count >= needs["core_count"], c.memory_mb >= needs["memory_mb"],
        or_(c.disk_mb == 0, c.disk_mb >= needs["disk_mb"]),
    )  # fmt: skip


def n_too_large(session: Session, task_id: int) -> dict[int, int]:
    """How many waiting jobs of a task are too large for every pilot of their queue, by queue;
    queues where no pilot is are left out.
    """
    c, names = JOB.c, ("queue_id", *_UNITS)
    alike = (
        select(*(c[name] for name in names), func.count().label("n"))
        .where(c.task_id == task_id, JOB_WAITING).group_by(*(c[name] for name in names))
        .subquery()
    )  # fmt: skip
    there = (PILOT.c.queue_id == alike.c.queue_id, _ACTIVE)
    rows = session.connection().execute(
        select(alike.c.queue_id, func.sum(alike.c.n))
        .where(exists().where(*there), ~exists().where(*there, _fits(alike.c)))
        .group_by(alike.c.queue_id)
    )  # fmt: skip
    return {row[0]: int(row[1]) for row in rows}
