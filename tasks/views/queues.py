"""Queues and pilots: where jobs wait and run, and who runs them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from culm.wire.views import (
    PilotList,
    PilotView,
    QueueList,
    QueueView,
    WorkersWanted,
    WorkersWantedList,
)
from tasks.statuses import JobStatus, PilotStatus
from tasks.tables import (
    Job,
    Pilot,
    Queue,
    QueueStatistics,
    QueueStorage,
    Site,
    StorageEndpoint,
    WorkerTarget,
)
from tasks.views.shown import moment, moment_or_none

_RUNNING = (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)


def queue_list(session: Session) -> QueueList:
    """All queues in order of name."""
    query = select(Queue, Site.name).where(Queue.site_id == Site.id).order_by(col(Queue.name))
    rows = session.exec(query).all()
    more = _more(session, None)
    return QueueList(queues=tuple(_queue(queue, site, more) for queue, site in rows))


def queue_view(session: Session, name: str) -> QueueView:
    """One queue.

    Raises:
        NotFound: there is no queue of this name.
    """
    query = select(Queue, Site.name).where(Queue.site_id == Site.id, Queue.name == name)
    found = session.exec(query).first()
    if found is None:
        raise NotFound(f"no queue {name}")
    queue, site = found
    return _queue(queue, site, _more(session, queue.id))


def pilot_list(session: Session, limit: int = 1000) -> PilotList:
    """Pilots, newest first, with the jobs that each one has now."""
    query = (
        select(Pilot, Queue.name)
        .where(Pilot.queue_id == Queue.id)
        .order_by(col(Pilot.id).desc())
        .limit(limit)
    )
    rows = session.exec(query).all()
    counted = (
        select(Job.pilot_id, func.count())
        .where(
            col(Job.lease_expires_at).is_not(None),
            col(Job.pilot_id).in_([pilot.id for pilot, _ in rows]),
        )
        .group_by(col(Job.pilot_id))
    )
    jobs = dict(session.exec(counted).all())
    return PilotList(pilots=tuple(_pilot(row, queue, jobs.get(row.id, 0)) for row, queue in rows))


def workers_wanted(session: Session) -> WorkersWantedList:
    """How many workers of each kind each queue should get next."""
    query = (
        select(WorkerTarget, Queue.name)
        .where(WorkerTarget.queue_id == Queue.id, WorkerTarget.n_workers > 0)
        .order_by(col(Queue.name), col(WorkerTarget.resource_type))
    )
    return WorkersWantedList(
        workers=tuple(
            WorkersWanted(queue=queue, resource_type=row.resource_type, n_workers=row.n_workers,
                          core_count=row.core_count, memory_mb=row.memory_mb, at=moment(row.at))
            for row, queue in session.exec(query)
        )
    )  # fmt: skip


_Counts = Counter[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class _More:
    """What is shown of queues beside their rows, by queue."""

    counts: _Counts
    storage: Mapping[int, list[tuple[str, bool, bool]]]
    statistics: Mapping[int, QueueStatistics]
    wanted: Mapping[int, dict[str, int]]


def _more(session: Session, queue_id: int | None) -> _More:
    wanted: dict[int, dict[str, int]] = defaultdict(dict)
    for row in session.exec(select(WorkerTarget).where(WorkerTarget.n_workers > 0)):
        wanted[row.queue_id][row.resource_type] = row.n_workers
    return _More(_counts(session, queue_id), _storage(session), _statistics(session), wanted)


def _storage(session: Session) -> dict[int, list[tuple[str, bool, bool]]]:
    """Endpoints of each queue: name, whether it reads there, whether it writes there."""
    query = (
        select(QueueStorage, StorageEndpoint.name)
        .where(QueueStorage.endpoint_id == StorageEndpoint.id)
        .order_by(col(StorageEndpoint.name))
    )
    found: dict[int, list[tuple[str, bool, bool]]] = defaultdict(list)
    for pair, name in session.exec(query):
        found[pair.queue_id].append((name, pair.reads, pair.writes))
    return found


def _statistics(session: Session) -> dict[int, QueueStatistics]:
    return {row.queue_id: row for row in session.exec(select(QueueStatistics))}


def _counts(session: Session, queue_id: int | None) -> _Counts:
    """Jobs by (queue, status), and pilots at work as (queue, 'pilots')."""
    jobs = (
        select(Job.queue_id, Job.status, func.count())
        .where(col(Job.status).in_((JobStatus.ACTIVATED, *_RUNNING)))
        .group_by(col(Job.queue_id), col(Job.status))
    )
    pilots = (
        select(Pilot.queue_id, func.count())
        .where(Pilot.status == PilotStatus.ACTIVE)
        .group_by(col(Pilot.queue_id))
    )
    if queue_id is not None:
        jobs = jobs.where(Job.queue_id == queue_id)
        pilots = pilots.where(Pilot.queue_id == queue_id)
    found: _Counts = Counter({(queue, status): n for queue, status, n in session.exec(jobs)})
    found.update({(queue, "pilots"): n for queue, n in session.exec(pilots)})
    return found


def _queue(queue: Queue, site: str, more: _More) -> QueueView:
    number = queue.id or 0
    storage, known = more.storage.get(number, []), more.statistics.get(number)

    def total(statuses: Iterable[str]) -> int:
        return sum(more.counts[number, status] for status in statuses)

    return QueueView(
        name=queue.name,
        site=site,
        status=queue.status,
        settings=queue.settings,
        n_activated=total([JobStatus.ACTIVATED]),
        n_running=total(_RUNNING),
        n_pilots=total(["pilots"]),
        reads=tuple(name for name, reads, _ in storage if reads),
        writes=tuple(name for name, _, writes in storage if writes),
        mean_run_seconds=known.mean_run_seconds if known else None,
        last_start_at=moment_or_none(known.last_start_at) if known else None,
        last_pilot_at=moment_or_none(known.last_pilot_at) if known else None,
        workers_wanted=more.wanted.get(number, {}),
    )


def _pilot(row: Pilot, queue: str, n_jobs: int) -> PilotView:
    return PilotView(
        pilot_id=row.id,
        queue=queue,
        host=row.host,
        process_id=row.process_id,
        slots=row.slots,
        status=row.status,
        started_at=moment(row.started_at),
        last_heard_at=moment(row.last_heard_at),
        n_jobs=n_jobs,
    )
