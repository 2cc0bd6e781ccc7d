"""Our own jobs and pilots by queue, counted exactly, for every decision.

Where they are many, a count is kept for a multiple of the time that it took, and a ledger holds
what this process has sent since.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Float, Pool, bindparam, case, func, select
from sqlmodel import Session

from broker.ledger import Ledger
from broker.places import Alike, Pilots, Tally
from broker.thresholds import Thresholds
from tasks.statuses import JobStatus, PilotStatus
from tasks.store.configuration import values
from tasks.store.tables import JOB, JOB_LEASED, JOB_WAITING, PILOT, TASK
from tasks.tables.columns import db_now

MANY_JOBS = 2000
"""Fewer are counted for each decision."""
KEPT_FACTOR = 20
"""Others are kept for so many times what counting took: it costs a twentieth at most."""
_WITH_PILOT = [str(s) for s in (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)]
_ALIKE = (JOB.c.queue_id, JOB.c.share_name, TASK.c.priority, JOB.c.core_count, JOB.c.memory_mb)
_LONG_AGO = db_now(bindparam("minus_seconds", type_=Float))
_FOR_LONG = case((JOB.c.created_at < _LONG_AGO, 1), else_=0)
_WAITING = (
    select(*_ALIKE, _FOR_LONG.label("for_long"), func.count())
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(JOB_WAITING).group_by(*_ALIKE, "for_long")
)  # fmt: skip
_LEASED = (
    select(JOB.c.queue_id, func.count(), func.sum(JOB.c.core_count), func.sum(JOB.c.memory_mb))
    .where(JOB_LEASED, JOB.c.status.in_(_WITH_PILOT)).group_by(JOB.c.queue_id)
)  # fmt: skip
_SHAPE = (PILOT.c.queue_id, PILOT.c.slots, PILOT.c.core_count, PILOT.c.memory_mb)
_PILOTS = (
    select(*_SHAPE, func.count(), func.max(PILOT.c.last_heard_at))
    .where(PILOT.c.status == str(PilotStatus.ACTIVE)).group_by(*_SHAPE)
)  # fmt: skip


@dataclass(slots=True)
class Counts:
    """What is at each queue, by its id, and what was sent since it was counted."""

    at: float
    tallies: Mapping[int, Tally]
    heard_at: Mapping[int, datetime]
    """When a pilot that is at work was last heard from."""
    kept_until: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def age_seconds(self) -> float:
        """How old the counts are; 0 for those of this moment."""
        return time.monotonic() - self.at if self.kept_until > 0 else 0.0

    @property
    def n_jobs(self) -> int:
        """Jobs that were counted."""
        return sum(each.n_running + each.n_waiting for each in self.tallies.values())

    def tally(self, queue_id: int) -> Tally:
        """What is at a queue."""
        return self.tallies.get(queue_id, _NOTHING)


_NOTHING = Tally()


_kept: WeakKeyDictionary[Pool, Counts] = WeakKeyDictionary()
_lock = threading.Lock()


def counts_of(session: Session) -> Counts:
    """The counts that hold now."""
    pool = session.connection().engine.pool
    with _lock:
        found = _kept.get(pool)
    if found is not None and time.monotonic() < found.kept_until:
        return found
    at = time.monotonic()
    found = Counts(at, *_counted(session))
    if found.n_jobs >= MANY_JOBS:
        found.kept_until = at + (time.monotonic() - at) * (1 + KEPT_FACTOR)
        with _lock:
            _kept[pool] = found
    return found


def note_sent(counts: Counts, n_jobs: Mapping[str, int]) -> None:
    """Remember jobs that are being sent to queues, until they are counted."""
    for queue, number in n_jobs.items():
        counts.ledger.note(queue, number, time.monotonic())


def _counted(session: Session) -> tuple[dict[int, Tally], dict[int, datetime]]:
    run = session.connection().execute
    waiting: dict[int, list[Alike]] = defaultdict(list)
    ahead = values(session).of(Thresholds).bind_ahead_seconds
    for queue_id, share, priority, cores, memory, for_long, n_jobs in run(
        _WAITING, {"minus_seconds": -ahead}
    ):
        alike = Alike(share, priority, cores, memory, bool(for_long), n_jobs)
        waiting[queue_id].append(alike)
    pilots: dict[int, list[Pilots]] = defaultdict(list)
    heard_at: dict[int, datetime] = {}
    for queue_id, slots, cores, memory, n_pilots, last in run(_PILOTS):
        pilots[queue_id].append(Pilots(n_pilots, slots, cores, memory))
        heard_at[queue_id] = max(last, heard_at.get(queue_id, last))
    tallies = {
        queue_id: Tally(waiting=tuple(waiting[queue_id]), pilots=tuple(pilots[queue_id]))
        for queue_id in waiting.keys() | pilots.keys()
    }
    for row in run(_LEASED):
        tallies[row[0]] = _with_running(tallies.get(row[0], _NOTHING), row)
    return tallies, heard_at


def _with_running(tally: Tally, row: Any) -> Tally:
    return replace(
        tally, n_running=row[1], running_cores=int(row[2]), running_memory_mb=int(row[3])
    )
