"""Queue statistics: what is at each queue, what ran there and who was heard from, in bulk; and
how fast the links between sites were.

Counts come from the partial indexes of living jobs. Times and means go on from the last move of
a job that was counted: the moves since then are read once, however long the history is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, func, insert, select
from sqlmodel import Session

from tasks.stages.link_speeds import moved_over_links, note_speeds
from tasks.statuses import JobStatus, PilotStatus
from tasks.store.books import Books
from tasks.store.moves import database_time
from tasks.store.tables import (
    HISTORY,
    JOB,
    JOB_LEASED,
    JOB_WAITING,
    METADATA,
    PILOT,
    QUEUE,
    QUEUE_STATISTICS,
)
from tasks.tables.columns import db_now

MOVES_A_RUN = 200_000
"""The most moves that one count reads; what is older than these is not looked at."""
REMEMBERED_RUNS = 200
"""A mean run time forgets: so many runs weigh as much as all before them."""
SEEN_SECONDS = 3 * 3600.0
A_DAY = timedelta(days=1)

_J = JobStatus
_BY_INDEX = {_J.SENT: "n_starting", _J.STARTING: "n_starting", _J.RUNNING: "n_running"}
_OTHERS = {_J.PENDING: "n_defined", _J.DEFINED: "n_defined", _J.ASSIGNED: "n_assigned",
           _J.TRANSFERRING: "n_transferring"}  # fmt: skip
_WAITING = select(JOB.c.queue_id, func.count()).where(JOB_WAITING).group_by(JOB.c.queue_id)
_LEASED = (
    select(JOB.c.queue_id, JOB.c.status, func.count())
    .where(JOB_LEASED).group_by(JOB.c.queue_id, JOB.c.status)
)  # fmt: skip
_REST = (
    select(JOB.c.queue_id, JOB.c.status, func.count())
    .where(JOB.c.status.in_([str(s) for s in _OTHERS])).group_by(JOB.c.queue_id, JOB.c.status)
)  # fmt: skip
_MEASURED = tuple(
    METADATA.c.metrics[name].as_float() for name in ("read_mb", "write_mb", "wall_seconds")
)
_HEARD = PILOT.c.last_heard_at > db_now(-SEEN_SECONDS)
_PILOTS = select(
    PILOT.c.queue_id,
    func.sum(case((PILOT.c.status == str(PilotStatus.ACTIVE), PILOT.c.slots), else_=0)),
    func.sum(case((_HEARD, PILOT.c.slots), else_=0)),
    func.max(PILOT.c.last_heard_at),
).group_by(PILOT.c.queue_id)


@dataclass(slots=True)
class _Seen:
    """What the moves since the last count say of one queue."""

    last_start_at: datetime | None = None
    run_seconds: list[float] = field(default_factory=list)
    disk_io_kb_per_second: list[float] = field(default_factory=list)


def queue_statistics(books: Books) -> str:
    """Count anew what is at the queues; a daemon flow calls it every minute.

    The counting only reads: nobody waits for it.
    """
    with books.read() as session:
        now = database_time(session)
        before = {row.queue_id: row for row in session.connection().execute(_BEFORE)}
        moves = _new_moves(session, max((r.history_id for r in before.values()), default=0))
        seen, moved = _moves(session, *moves), moved_over_links(session, *moves)
        counts, pilots = _counts(session), _pilots(session)
        names = session.connection().execute(select(QUEUE.c.id)).scalars().all()
    rows = [
        counts[queue_id] | _from_pilots(pilots.get(queue_id), counts[queue_id])
        | _from_moves(before.get(queue_id), seen[queue_id], counts[queue_id]["n_running"], now)
        | {"queue_id": queue_id, "history_id": moves[1], "at": now}
        for queue_id in names
    ]  # fmt: skip
    with books.write() as session:
        session.connection().execute(delete(QUEUE_STATISTICS))
        if rows:
            session.connection().execute(insert(QUEUE_STATISTICS), rows)
        note_speeds(session, moved, now)
    n_waiting, n_running = (sum(row[n] for row in rows) for n in ("n_activated", "n_running"))
    return f"{len(rows)} queues: {n_waiting} jobs wait, {n_running} run" if rows else ""


_BEFORE = select(QUEUE_STATISTICS)
_COUNTS = ("n_defined", "n_assigned", "n_activated", "n_starting", "n_running", "n_transferring")


def _counts(session: Session) -> defaultdict[int, dict[str, Any]]:
    found: defaultdict[int, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    run = session.connection().execute
    for queue_id, count in run(_WAITING):
        found[queue_id]["n_activated"] = count
    for statement, columns in ((_LEASED, _BY_INDEX), (_REST, _OTHERS)):
        for queue_id, status, count in run(statement):
            if status in columns:
                found[queue_id][columns[JobStatus(status)]] += count
    return found


def _pilots(session: Session) -> dict[int, tuple[int, int, datetime | None]]:
    rows = session.connection().execute(_PILOTS)
    return {row[0]: (int(row[1]), int(row[2]), row[3]) for row in rows}


def _from_pilots(
    found: tuple[int, int, datetime | None] | None, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Slots, and how many of those heard from lately work on a job or asked for one."""
    n_slots, n_heard, last = found or (0, 0, None)
    at_work = counts["n_running"] + counts["n_starting"]
    return {
        "n_slots": n_slots, "n_nodes_updating": at_work,
        "n_nodes_asking": max(0, n_heard - at_work), "last_pilot_at": last,
    }  # fmt: skip


def _new_moves(session: Session, since: int) -> tuple[int, int]:
    """The moves to be read: after which number, and up to which."""
    newest = select(func.coalesce(func.max(HISTORY.c.id), 0))
    last = int(session.connection().execute(newest).scalar_one())
    return max(since, last - MOVES_A_RUN), last


def _moves(session: Session, after_id: int, last_id: int) -> defaultdict[int, _Seen]:
    """Starts and ends of jobs with these moves, by queue."""
    found: defaultdict[int, _Seen] = defaultdict(_Seen)
    moves = (
        select(JOB.c.queue_id, HISTORY.c.to_status, HISTORY.c.at, JOB.c.started_at, JOB.c.ended_at,
               JOB.c.core_count, *_MEASURED)
        .join(JOB, JOB.c.id == HISTORY.c.entity_id)
        .outerjoin(METADATA, METADATA.c.job_id == JOB.c.id)
        .where(HISTORY.c.id > after_id, HISTORY.c.id <= last_id,
               HISTORY.c.noun == "job",
               HISTORY.c.to_status.in_([str(_J.RUNNING), str(_J.FINISHED)]))
        .order_by(HISTORY.c.id)
    )  # fmt: skip
    rows = session.connection().execute(moves)
    for queue_id, status, at, started_at, ended_at, core_count, *measured in rows:
        if status == _J.FINISHED and measured[2]:
            found[queue_id].disk_io_kb_per_second.append(_disk_io(core_count, *measured))
        if status == _J.RUNNING:
            found[queue_id].last_start_at = at
        elif started_at is not None and ended_at is not None:
            # A worker's clock may be wrong: a job never ran for less than nothing.
            seconds = max(0.0, (ended_at - started_at).total_seconds())
            found[queue_id].run_seconds.append(seconds)
        elif measured[2]:
            # It ended before its pilot told that it ran.
            found[queue_id].run_seconds.append(measured[2])
    return found


def _disk_io(
    core_count: int, read_mb: float | None, write_mb: float | None, wall_seconds: float
) -> float:
    """What a job read from and wrote to local disk, kB in a second for each core."""
    return ((read_mb or 0.0) + (write_mb or 0.0)) * 1000 / (wall_seconds * core_count)


def _mean(before: float, weight: int, new: list[float]) -> float:
    """A mean that so many values made up, with new ones."""
    return (before * weight + sum(new)) / (weight + len(new)) if new else before


def _from_moves(before: Any, seen: _Seen, n_running: int, now: datetime) -> dict[str, Any]:
    mean, weight = (None, 0) if before is None else (before.mean_run_seconds, before.n_runs)
    weight = min(weight, REMEMBERED_RUNS) if mean is not None else 0
    n_new = len(seen.run_seconds)
    if n_new:
        mean = _mean(mean or 0.0, weight, seen.run_seconds)
    disk_io, n_io = (0.0, 0) if before is None else (before.disk_io_kb_per_second, before.n_disk_io)
    n_io = min(n_io, REMEMBERED_RUNS)
    most, most_at = (0, None) if before is None else (before.most_running, before.most_running_at)
    if n_running >= most or most_at is None or now - most_at > A_DAY:
        most, most_at = n_running, now
    return {
        "mean_run_seconds": mean, "n_runs": weight + n_new, "most_running": most,
        "disk_io_kb_per_second": _mean(disk_io, n_io, seen.disk_io_kb_per_second),
        "n_disk_io": n_io + len(seen.disk_io_kb_per_second),
        "most_running_at": most_at,
        "last_start_at": seen.last_start_at or (before.last_start_at if before else None),
    }  # fmt: skip
