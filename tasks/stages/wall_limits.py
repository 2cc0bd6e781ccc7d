"""How long a job may run where it goes: what it asks for, and no longer than its queue lets it.

Brokerage takes a queue if the job's expected wall time fits there (documentation, 12.1), though
more was asked for; pilots of the queue take no job that asks for more than they have left.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlmodel import Session

from tasks.queues import queue_settings
from tasks.store.bulk import id_in
from tasks.store.tables import QUEUE


def walltimes_at(
    session: Session, queue_ids: Collection[int], asked_seconds: int
) -> dict[int, int]:
    """The wall time of a job that asks for so much, in seconds, at each of these queues."""
    rows = session.connection().execute(
        select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.settings)
        .where(id_in(QUEUE.c.id, queue_ids, session))
    )  # fmt: skip
    limits = {row.id: queue_settings(row.settings, row.name).max_walltime_seconds for row in rows}
    return {i: min(asked_seconds, limits.get(i) or asked_seconds) for i in queue_ids}
