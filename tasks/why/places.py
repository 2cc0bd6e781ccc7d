"""How many jobs pilots get before a certain one, as dispatch would serve them now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlmodel import Session

from broker.shares import Waiting, n_served_before
from broker.values import DEFAULT_CORE_POWER
from tasks.stages.serving import standing_of
from tasks.stages.share_counts import core_power
from tasks.store.bulk import id_in
from tasks.store.tables import JOB, JOB_WAITING
from tasks.why.findings import many


@dataclass(frozen=True, slots=True)
class Place:
    """A waiting job as its line sees it."""

    share: str
    priority: int
    id: int


@dataclass(frozen=True, slots=True)
class Before:
    """Jobs that go first: those of its share by priority and age, and those of other shares."""

    n_same: int
    n_others: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.n_same + self.n_others

    def __str__(self) -> str:
        if not self.n_others:
            return f"{many(self.n_same, 'job')} of higher priority or older"
        others = f"{many(self.n_others, 'job')} of shares that are further below their due"
        same = f"{self.n_same} of higher priority or older, and " if self.n_same else ""
        return f"{same}{others}"


def jobs_before(session: Session, places: Mapping[int, Place]) -> dict[int, Before]:
    """What goes before one job at each of these queues. Shares: as they stand now."""
    same, lines, now = _of_its_share(session, places), _lines(session, places), standing_of(session)
    power = core_power(session)
    found = {}
    for queue_id, place in places.items():
        waiting = {
            share: Waiting(
                n_jobs=n_jobs, hs06=n_cores * power.get(queue_id, DEFAULT_CORE_POWER) / n_jobs
            )
            for share, n_jobs, n_cores in lines[queue_id]
        }
        # A pilot may have taken the job, the last of its share, since its row was read.
        waiting.setdefault(place.share, Waiting(n_jobs=1, hs06=0.0))
        n_same = same.get(queue_id, 0)
        served = n_served_before(now.due, now.has(), waiting, (place.share, n_same))
        found[queue_id] = Before(n_same, served - n_same)
    return found


def _of_its_share(session: Session, places: Mapping[int, Place]) -> dict[int, int]:
    c = JOB.c
    before = [
        and_(
            c.queue_id == queue_id, c.share_name == place.share,
            or_(c.priority > place.priority, and_(c.priority == place.priority, c.id < place.id)),
        )
        for queue_id, place in places.items()
    ]  # fmt: skip
    if not before:
        return {}
    rows = session.connection().execute(
        select(c.queue_id, func.count()).where(JOB_WAITING, or_(*before)).group_by(c.queue_id)
    )
    return {row[0]: row[1] for row in rows}


def _lines(
    session: Session, places: Mapping[int, Place]
) -> defaultdict[int, list[tuple[str, int, int]]]:
    """(share, jobs, their cores) of all that wait at these queues."""
    c = JOB.c
    rows = session.connection().execute(
        select(c.queue_id, c.share_name, func.count(), func.sum(c.core_count))
        .where(JOB_WAITING, id_in(c.queue_id, places, session)).group_by(c.queue_id, c.share_name)
    )  # fmt: skip
    found: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for queue_id, share, n_jobs, n_cores in rows:
        found[queue_id].append((share, int(n_jobs), int(n_cores)))
    return found
