"""Pilot streaming: how many workers of each kind whoever serves a queue should start next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select
from sqlmodel import Session

from broker.resource_types import resource_type_of
from broker.streaming import Queued, Streaming, Workers, new_workers
from tasks.statuses import PilotStatus, QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.shares import resource_types, share_tree, share_use
from tasks.store.tables import JOB, JOB_LEASED, PILOT, QUEUE, SHARE_STATISTICS, WORKER_TARGET

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
        now = database_time(session)
        rows = [
            {"queue_id": ids[queue], "resource_type": kind, "n_workers": count, "at": now}
            for (queue, kind), count in sorted(wanted.items())
        ]
        session.connection().execute(delete(WORKER_TARGET))
        if rows:
            session.connection().execute(insert(WORKER_TARGET), rows)
    n_queues = len({queue for queue, _ in wanted})
    return f"{sum(wanted.values())} workers wanted, at {n_queues} queues" if wanted else ""


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
