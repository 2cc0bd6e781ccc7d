"""Pilot streaming: how many workers of each kind whoever serves a queue should start next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session

from broker.resource_types import resource_type_of
from broker.streaming import Queued, Streaming, Workers, new_workers
from tasks.statuses import PilotStatus, QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.shares import resource_types, share_tree, share_use
from tasks.store.tables import (
    JOB,
    JOB_LEASED,
    JOB_WAITING,
    PILOT,
    QUEUE,
    SHARE_STATISTICS,
    WORKER_TARGET,
)

_c = SHARE_STATISTICS.c
_WAITING = (
    select(QUEUE.c.name, _c.share_name, _c.resource_type, _c.n_queued)
    .join(QUEUE, QUEUE.c.id == _c.queue_id)
    .where(_c.n_queued > 0, QUEUE.c.status == str(QueueStatus.ONLINE))
)
_AT_WORK = select(JOB.c.pilot_id, func.count()).where(JOB_LEASED).group_by(JOB.c.pilot_id)
_PILOTS = (
    select(QUEUE.c.name, PILOT.c.id, PILOT.c.slots, PILOT.c.core_count, PILOT.c.memory_mb)
    .join(QUEUE, QUEUE.c.id == PILOT.c.queue_id)
    .where(PILOT.c.status == str(PilotStatus.ACTIVE))
)


def pilot_streaming(books: Books) -> str:
    """Work out how many workers each queue should have next, from the last count of jobs."""
    with books.write() as session:
        order = _shares_in_need(session)
        limits = values(session).of(Streaming)
        wanted = new_workers(_waiting(session), order, _workers(session), limits)
        ids = {row.name: row.id for row in session.connection().execute(
            select(QUEUE.c.name, QUEUE.c.id))}  # fmt: skip
        now, sizes = database_time(session), _sizes(session) if wanted else {}
        rows = [
            {"queue_id": ids[queue], "resource_type": kind, "n_workers": count, "at": now}
            | sizes.get((ids[queue], kind), _USUAL)
            for (queue, kind), count in sorted(wanted.items())
        ]
        session.connection().execute(delete(WORKER_TARGET))
        if rows:
            session.connection().execute(insert(WORKER_TARGET), rows)
    n_queues = len({queue for queue, _ in wanted})
    return f"{sum(wanted.values())} workers wanted, at {n_queues} queues" if wanted else ""


def take_workers(session: Session, queue: str, resource_type: str, n_workers: int) -> int:
    """How many workers of those that are wanted the caller should start now, at most as asked.

    They are wanted no more: whoever asks at the same moment gets others.
    """
    c = WORKER_TARGET.c
    here = (c.queue_id == select(QUEUE.c.id).where(QUEUE.c.name == queue).scalar_subquery(),
            c.resource_type == resource_type)  # fmt: skip
    run = session.connection().execute
    wanted = run(select(c.n_workers).where(*here).with_for_update()).scalar()
    granted = min(wanted or 0, n_workers)
    if granted:
        run(update(WORKER_TARGET).where(*here).values(n_workers=c.n_workers - granted))
    return granted


_USUAL = {"core_count": 1, "memory_mb": 2000}
_SIZES = (
    select(JOB.c.queue_id, JOB.c.resource_type, func.max(JOB.c.core_count).label("core_count"),
           func.max(JOB.c.memory_mb).label("memory_mb"))
    .where(JOB_WAITING).group_by(JOB.c.queue_id, JOB.c.resource_type)
)  # fmt: skip


def _sizes(session: Session) -> dict[tuple[int, str], dict[str, int]]:
    """What the biggest waiting job of each kind at each queue asks for."""
    return {
        (row.queue_id, row.resource_type): {
            "core_count": row.core_count, "memory_mb": row.memory_mb
        }
        for row in session.connection().execute(_SIZES)
    }  # fmt: skip


def _shares_in_need(session: Session) -> Sequence[str]:
    use = share_use(session)
    return share_tree(session).furthest_below(use.used_hs06, use.queued_hs06)


def _waiting(session: Session) -> list[Queued]:
    return [
        Queued(queue=queue, share=share, resource_type=kind, n_jobs=int(count))
        for queue, share, kind, count in session.connection().execute(_WAITING)
    ]


def _workers(session: Session) -> dict[str, Workers]:
    """The pilots at each queue: slots with a job, and slots without, by what fits into one."""
    types = resource_types(session)
    at_work = {row[0]: row[1] for row in session.connection().execute(_AT_WORK)}
    busy: Counter[str] = Counter()
    idle: dict[str, Counter[str]] = defaultdict(Counter)
    for queue, pilot_id, slots, core_count, memory_mb in session.connection().execute(_PILOTS):
        n_jobs = at_work.get(pilot_id, 0)
        kind = resource_type_of(types, max(1, core_count // slots), memory_mb // slots)
        busy[queue] += n_jobs
        idle[queue][kind] += max(0, slots - n_jobs)
    return {queue: Workers(n_busy=busy[queue], idle=idle[queue]) for queue in idle}
