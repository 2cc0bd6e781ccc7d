"""Queues with the jobs there, from the last count."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from broker.withholding import QueueState
from tasks.store.tables import QUEUE, SHARE_STATISTICS

_c = SHARE_STATISTICS.c
_STATES = (
    select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.status, func.coalesce(func.sum(_c.n_queued), 0),
           func.coalesce(func.sum(_c.n_running), 0))
    .join(SHARE_STATISTICS, _c.queue_id == QUEUE.c.id, isouter=True)
    .group_by(QUEUE.c.id, QUEUE.c.name, QUEUE.c.status)
)  # fmt: skip


def queue_states(session: Session) -> dict[str, QueueState]:
    """Status and jobs of every queue, by name."""
    return {
        name: QueueState(status=status, n_queued=int(queued), n_running=int(running))
        for _, name, status, queued, running in session.connection().execute(_STATES)
    }
