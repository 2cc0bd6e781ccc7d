"""Which waiting jobs a queue's pilots get: those of the share furthest below what it is due.

Inside a share the highest priority goes first (spec/broker.md, Global shares). One statement
reads the head of every share's line by index, however many jobs wait behind it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Float, Integer, String, bindparam, text
from sqlmodel import Session

from broker.shares import serve
from tasks.store.bulk import TEXTS
from tasks.store.prepared import Prepared
from tasks.store.shares import share_tree, share_use

KEPT_SECONDS = 2.0
"""For so long the shares are not read again."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a pilot has free for a job."""

    core_count: int
    memory_mb: int
    disk_mb: int
    seconds_left: float


@dataclass(slots=True)
class Standing:
    """The shares of one database: what each is due, what it has by the last count, and what
    this process has given out since.
    """

    due: dict[str, float]
    used_hs06: dict[str, float]
    counted_at: datetime | None
    read_at: float
    given_hs06: dict[str, float] = field(default_factory=dict)

    def has(self) -> dict[str, float]:
        """What each share has now, as far as this process knows, in HS06."""
        names = self.used_hs06.keys() | self.given_hs06.keys()
        return {n: self.used_hs06.get(n, 0.0) + self.given_hs06.get(n, 0.0) for n in names}


_kept: WeakKeyDictionary[Any, Standing] = WeakKeyDictionary()
_lock = threading.Lock()

_FITS = (
    "status = 'activated' AND queue_id = :queue_id AND core_count <= :core_count "
    "AND memory_mb <= :memory_mb AND disk_mb <= :disk_mb AND walltime_seconds <= :seconds_left"
)
_BINDS = (
    bindparam("shares", type_=TEXTS), bindparam("queue_id", type_=Integer),
    bindparam("core_count", type_=Integer), bindparam("memory_mb", type_=BigInteger),
    bindparam("disk_mb", type_=BigInteger), bindparam("seconds_left", type_=Float),
    bindparam("wanted", type_=Integer),
)  # fmt: skip
_COLUMNS = {"id": BigInteger, "share_name": String, "core_count": Integer}
# Our own words only; values are bound.
_SQLITE = f"""
SELECT job.id, job.share_name, job.core_count FROM json_each(:shares) AS share
CROSS JOIN job ON job.id IN (
  SELECT id FROM job WHERE share_name = share.value AND {_FITS}
  ORDER BY priority DESC, id LIMIT :wanted)
ORDER BY share.key, job.priority DESC, job.id"""  # noqa: S608
_POSTGRESQL = f"""
SELECT head.id, head.share_name, head.core_count
FROM unnest(CAST(:shares AS varchar[])) WITH ORDINALITY AS share (name, place)
CROSS JOIN LATERAL (
  SELECT id, share_name, core_count, priority FROM job
  WHERE share_name = share.name AND {_FITS}
  ORDER BY priority DESC, id LIMIT :wanted FOR UPDATE SKIP LOCKED) AS head
ORDER BY share.place, head.priority DESC, head.id"""  # noqa: S608
_HEADS = {
    dialect: Prepared(text(sql).bindparams(*_BINDS).columns(**_COLUMNS))
    for dialect, sql in (("sqlite", _SQLITE), ("postgresql", _POSTGRESQL))
}


def next_jobs(session: Session, queue_id: int, room: Room, wanted: int, power: float) -> list[int]:
    """Up to `wanted` jobs that fit, in the order in which they are to be served; they are held.

    `power` is the HS06 of a core at the queue.
    """
    standing = standing_of(session)
    heads = _HEADS[session.connection().dialect.name].rows(
        session, shares=list(standing.due), queue_id=queue_id, wanted=wanted, **asdict(room)
    )
    waiting: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for job_id, share, core_count in heads:
        waiting[share].append((job_id, core_count * power))
    with _lock:
        served = serve(standing.due, standing.has(), waiting, wanted)
        chosen = set(served)
        for share, line in waiting.items():
            given = sum(hs06 for job_id, hs06 in line if job_id in chosen)
            standing.given_hs06[share] = standing.given_hs06.get(share, 0.0) + given
    return served


def standing_of(session: Session) -> Standing:
    """What the shares are due and have; read again when it is a little old."""
    pool, now = session.connection().engine.pool, time.monotonic()
    with _lock:
        before = _kept.get(pool)
    if before is not None and now < before.read_at + KEPT_SECONDS:
        return before
    use = share_use(session)
    standings = share_tree(session).standings(use.used_hs06, use.queued_hs06)
    due = {standing.name: standing.due for standing in standings}
    fresh = Standing(due, use.used_hs06, use.counted_at, now)
    if before is not None and before.counted_at == use.counted_at:
        fresh.given_hs06 = before.given_hs06
    with _lock:
        _kept[pool] = fresh
    return fresh
