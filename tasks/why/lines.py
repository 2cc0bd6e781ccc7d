"""The jobs of a task where they are: what runs, what waits behind what, who was heard from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from tasks.statuses import JobStatus, PilotStatus, QueueStatus
from tasks.store.bulk import id_in
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_ALIVE, JOB_WAITING, PILOT, QUEUE, QUEUE_STATISTICS
from tasks.why.findings import RUNS, WAITS, Finding, many, since
from tasks.why.places import Place, jobs_before

QUEUES_SHOWN = 5
"""Queues with most of the task's waiting jobs."""
_WITH_PILOT = (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """The pilots of a queue."""

    n_slots: int = 0
    last_heard_at: datetime | None = None


def of_lines(session: Session, task_id: int) -> Finding | None:
    """How many of the task's jobs run and wait where; None if it has none."""
    rows = session.connection().execute(
        select(JOB.c.queue_id, JOB.c.status, func.count())
        .where(JOB.c.task_id == task_id, JOB_ALIVE).group_by(JOB.c.queue_id, JOB.c.status)
    ).all()  # fmt: skip
    if not rows:
        return None
    by_status: dict[str, int] = defaultdict(int)
    waiting: dict[int, int] = {}
    running: dict[int, int] = defaultdict(int)
    for queue_id, status, count in rows:
        by_status[status] += count
        if status == JobStatus.ACTIVATED:
            waiting[queue_id] = count
        elif status in _WITH_PILOT:
            running[queue_id] += count
    n_running = sum(running.values())
    parts = [f"{many(n_running, 'job')} with a pilot"] if n_running else []
    parts += [f"{sum(waiting.values())} waiting for one"] if waiting else []
    unbuilt = by_status[JobStatus.DEFINED]
    parts += [f"{unbuilt} waiting for a build"] if unbuilt else []
    unmerged = by_status[JobStatus.MERGING]
    parts += [f"{unmerged} with output to be merged"] if unmerged else []
    others = sum(by_status.values()) - n_running - sum(waiting.values()) - unbuilt - unmerged
    parts += [f"{others} reported and being settled"] if others else []
    names = queue_rows(session, waiting.keys() | running.keys())
    lines = [f"queue {names[i].name}: {n} with a pilot" for i, n in sorted(running.items())]
    return Finding(
        verdict=RUNS if n_running or others else WAITS,
        summary=", ".join(parts),
        details=(*lines[:QUEUES_SHOWN], *_waiting_lines(session, task_id, waiting, names)),
    )


def _waiting_lines(
    session: Session, task_id: int, waiting: Mapping[int, int], names: Mapping[int, QueueRow]
) -> list[str]:
    most = sorted(waiting, key=lambda i: (-waiting[i], i))[:QUEUES_SHOWN]
    ahead = jobs_before(session, _firsts(session, task_id, most))
    staff, now = staff_of(session, most), database_time(session)
    lines = []
    for queue_id in most:
        words = f"queue {names[queue_id].name}: {waiting[queue_id]} wait"
        words += f" behind {ahead[queue_id]}" if ahead[queue_id].total else ""
        said = pilots_in_words(names[queue_id], staff.get(queue_id, Staff()), now)
        lines.append(f"{words}; {said}")
    rest = len(waiting) - len(most)
    return [*lines, f"and at {many(rest, 'other queue')}"] if rest else lines


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


def _firsts(session: Session, task_id: int, queue_ids: list[int]) -> dict[int, Place]:
    """The job of this task that goes first, by queue."""
    c = JOB.c
    turn = func.row_number().over(partition_by=c.queue_id, order_by=(c.priority.desc(), c.id))
    mine = (
        select(c.queue_id, c.share_name, c.priority, c.id, turn.label("turn"))
        .where(c.task_id == task_id, JOB_WAITING, id_in(c.queue_id, queue_ids, session))
        .subquery()
    )
    rows = session.connection().execute(select(mine).where(mine.c.turn == 1))
    return {row.queue_id: Place(row.share_name, row.priority, row.id) for row in rows}


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
