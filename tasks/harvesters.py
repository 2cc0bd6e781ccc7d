"""What PanDA's harvesters tell, kept and given back."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session

from culm.core.errors import NotAllowed
from culm.wire.views import HarvesterList, HarvesterView
from tasks.store.bulk import insert_rows
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import core
from tasks.tables import Harvester, HarvesterCount, HarvesterMessage, HarvesterWorker
from tasks.tables.columns import db_now
from tasks.views.shown import moment

_HARVESTER, _WORKER = core(Harvester), core(HarvesterWorker)
_COUNT, _MESSAGE = core(HarvesterCount), core(HarvesterMessage)
KEPT_SECONDS = 30 * 86_400.0
_SHOWN_MESSAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNews:
    """What is told of a worker; `details` is all of it."""

    worker_id: int
    queue: str
    status: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A dialog message, or service metrics."""

    kind: str
    level: str
    text: str


def hear(session: Session, name: str, owner: str, details: Mapping[str, Any] | None = None) -> None:
    """Note that an instance is alive; the first token that names it owns the name.

    Raises:
        NotAllowed: the name is another's.
    """
    # Who tells for an instance does so alone: what comes of it replaces what was there.
    one_at_a_time(session, f"harvester/{name}")
    run = session.connection().execute
    known = run(select(_HARVESTER.c.owner).where(_HARVESTER.c.name == name)).scalar()
    if known is None:
        run(insert(_HARVESTER).values(name=name, owner=owner, details=dict(details or {})))
        return
    if known != owner:
        raise NotAllowed(f"harvester {name} belongs to another token")
    news = {} if details is None else {"details": dict(details)}
    run(update(_HARVESTER).where(_HARVESTER.c.name == name).values(last_heard_at=db_now(), **news))


def keep_workers(session: Session, name: str, workers: Sequence[WorkerNews]) -> None:
    """Keep what is told of workers, over what was there."""
    latest = {worker.worker_id: worker for worker in workers}
    session.connection().execute(
        delete(_WORKER).where(_WORKER.c.harvester == name, _WORKER.c.worker_id.in_(list(latest)))
    )
    insert_rows(
        session, HarvesterWorker, ("harvester", "worker_id", "queue_name", "status", "details"),
        [(name, w.worker_id, w.queue, w.status, json.dumps(dict(w.details)))
         for w in latest.values()],
        now=database_time(session),
    )  # fmt: skip


def keep_counts(session: Session, name: str, queue: str, counts: Mapping[str, Any]) -> None:
    """Keep how many workers of a queue are in which status."""
    run = session.connection().execute
    run(delete(_COUNT).where(_COUNT.c.harvester == name, _COUNT.c.queue_name == queue))
    run(insert(_COUNT).values(harvester=name, queue_name=queue, counts=dict(counts)))


def keep_messages(session: Session, name: str, messages: Sequence[Message]) -> None:
    """Keep messages; those of over a month ago go."""
    session.connection().execute(
        delete(_MESSAGE).where(_MESSAGE.c.harvester == name, _MESSAGE.c.at < db_now(-KEPT_SECONDS))
    )
    insert_rows(
        session, HarvesterMessage, ("harvester", "kind", "level", "text"),
        [(name, m.kind, m.level[:16], m.text) for m in messages], now=database_time(session),
    )  # fmt: skip


def last_worker_id(session: Session, name: str) -> int:
    """The highest number of an instance's workers, 0 if it has none."""
    found = session.connection().execute(
        select(func.max(_WORKER.c.worker_id)).where(_WORKER.c.harvester == name)
    )
    return int(found.scalar() or 0)


def worker_counts(session: Session) -> dict[str, dict[str, Any]]:
    """What was told of numbers of workers: queue → instance → counts."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in session.connection().execute(select(_COUNT)):
        found[row.queue_name][row.harvester] = row.counts
    return dict(found)


def harvester_list(session: Session) -> HarvesterList:
    """All instances, by name."""
    run = session.connection().execute
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    counted = select(_WORKER.c.harvester, _WORKER.c.status, func.count())
    for name, status, n in run(counted.group_by(_WORKER.c.harvester, _WORKER.c.status)):
        counts[name][status] = n
    return HarvesterList(harvesters=tuple(
        HarvesterView(name=row.name, owner=row.owner, last_heard_at=moment(row.last_heard_at),
                      worker_counts=dict(counts[row.name]), messages=_messages(session, row.name))
        for row in run(select(_HARVESTER).order_by(_HARVESTER.c.name)).all()
    ))  # fmt: skip


def _messages(session: Session, name: str) -> tuple[str, ...]:
    rows = session.connection().execute(
        select(_MESSAGE.c.level, _MESSAGE.c.text)
        .where(_MESSAGE.c.harvester == name, _MESSAGE.c.kind == "dialog")
        .order_by(_MESSAGE.c.id.desc()).limit(_SHOWN_MESSAGES)
    )  # fmt: skip
    return tuple(f"{row.level}: {row.text}" for row in rows)
