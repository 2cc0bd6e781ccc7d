"""Black holes are rested: queues and nodes that fail jobs fast (spec/reliability.md, 14)."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlmodel import Session

from tasks.black_holes import BlackHole, BlackHoles, Ended, black_holes
from tasks.statuses import JobStatus
from tasks.store.books import Books
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.tables import JOB, REST, core
from tasks.tables import StatusHistory
from tasks.tables.columns import db_now

log = logging.getLogger(__name__)

_HISTORY = core(StatusHistory)
LATEST = 20_000
"""So many of the latest moves are looked at: they are found from the newest on, without a scan."""


@dataclass(frozen=True, slots=True)
class Resting:
    """A place that gets no work now, and why; `node` empty: the whole queue."""

    queue_id: int
    node: str
    reason: str


def resting(session: Session) -> list[Resting]:
    """The queues and nodes that rest now."""
    rows = session.connection().execute(
        select(REST.c.queue_id, REST.c.node, REST.c.reason).where(REST.c.until > db_now())
    )
    return [Resting(*row) for row in rows]


def rest_black_holes(books: Books) -> str:
    """Let queues and nodes rest that fail jobs fast and often while others do not.

    Gives a line if there was something to tell.
    """
    with books.read() as session:
        rules = values(session).of(BlackHoles)
        known = {(place.queue_id, place.node) for place in resting(session)}
        found = black_holes(_ended(session, rules), rules)
    fresh = [hole for hole in found if (hole.queue_id, hole.node) not in known]
    with books.write() as session:
        session.connection().execute(delete(REST).where(REST.c.until <= db_now()))
        for hole in fresh:
            _rest(session, hole, rules.rest_seconds)
    return f"{len(fresh)} black holes rest" if fresh else ""


def _rest(session: Session, hole: BlackHole, seconds: float) -> None:
    log.warning("black hole rests", extra={"queue": hole.queue_id, "node": hole.node,
                                           "why": hole.reason})  # fmt: skip
    place = (REST.c.queue_id == hole.queue_id) & (REST.c.node == hole.node)
    session.connection().execute(delete(REST).where(place))
    session.connection().execute(
        insert(REST).values(queue_id=hole.queue_id, node=hole.node, reason=hole.reason,
                            until=db_now(seconds))
    )  # fmt: skip


def _ended(session: Session, rules: BlackHoles) -> Iterator[Ended]:
    """How jobs ended within the window, by queue, node and task."""
    latest = (
        select(_HISTORY.c.noun, _HISTORY.c.entity_id, _HISTORY.c.to_status, _HISTORY.c.at)
        .order_by(_HISTORY.c.id.desc()).limit(LATEST)
    ).subquery()  # fmt: skip
    ends = (str(JobStatus.FINISHED), str(JobStatus.FAILED))
    ids = session.connection().execute(
        select(latest.c.entity_id)
        .where(latest.c.noun == "job", latest.c.to_status.in_(ends),
               latest.c.at > db_now(-rules.window_seconds))
    ).scalars().all()  # fmt: skip
    rows = session.connection().execute(
        select(JOB.c.queue_id, JOB.c.node, JOB.c.task_id, JOB.c.status, JOB.c.started_at,
               JOB.c.ended_at)
        .where(id_in(JOB.c.id, ids, session))
    )  # fmt: skip
    counts: dict[tuple[int, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        failed = row.status == JobStatus.FAILED
        ran = (row.ended_at - row.started_at).total_seconds() if row.started_at else 0.0
        count = counts[row.queue_id, row.node, row.task_id]
        count[0] += failed and ran <= rules.fast_seconds
        count[1] += failed
        count[2] += not failed
    for (queue_id, node, task_id), (fast, n_failures, n_finished) in counts.items():
        yield Ended(
            queue_id=queue_id, node=node, task_id=task_id, n_fast_failures=fast,
            n_failures=n_failures, n_finished=n_finished,
        )  # fmt: skip
