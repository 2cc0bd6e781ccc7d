"""Dispatch: pilots sign on, ask for work, and get jobs; one statement claims them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col
from sqlmodel import select as model_select

from culm.core.errors import NotFound
from culm.core.nearest import unknown_name
from culm.wire.job_spec import JobSpec, PilotSpec, WorkAnswer, WorkRequest
from tasks.lifecycles import FileEvent, JobEvent
from tasks.queues import QueueSettings, queue_settings
from tasks.stages.job_specs import job_specs
from tasks.statuses import PilotStatus, QueueStatus
from tasks.store.bulk import id_in
from tasks.store.ids import take_ids
from tasks.store.moves import Why, database_time, move_files, move_jobs
from tasks.store.tables import FILE, JOB, JOB_FILE, JOB_LEASED, JOB_WAITING, PILOT
from tasks.tables import Pilot, Queue
from tasks.tables.columns import db_now


def sign_on(session: Session, spec: PilotSpec) -> tuple[int, QueueSettings]:
    """The number of a new pilot, and the settings of its queue.

    Raises:
        NotFound: there is no such queue.
    """
    queue = session.exec(model_select(Queue).where(Queue.name == spec.queue)).first()
    if queue is None:
        names = session.exec(model_select(Queue.name)).all()
        raise NotFound(f"queue {spec.queue}: {unknown_name(spec.queue, names)}")
    pilot_id = take_ids(session, "pilot", 1)[0]
    now = database_time(session)
    session.add(Pilot(
        id=pilot_id, queue_id=queue.id or 0, host=spec.host, process_id=spec.process_id,
        version=spec.version, slots=spec.slots, core_count=spec.core_count,
        memory_mb=spec.memory_mb, disk_mb=spec.disk_mb, started_at=now, last_heard_at=now,
    ))  # fmt: skip
    return pilot_id, queue_settings(queue.settings, queue.name)


def sign_off(session: Session, pilot_id: int) -> None:
    """The pilot takes no more work. Jobs that it still has keep their leases."""
    session.connection().execute(
        update(PILOT).where(PILOT.c.id == pilot_id)
        .values(status=str(PilotStatus.GONE), last_heard_at=db_now())
    )  # fmt: skip


def dispatch(session: Session, requests: Sequence[tuple[int, WorkRequest]]) -> list[WorkAnswer]:
    """Jobs for pilots, given as (pilot id, request); an answer for each, in order.

    A request that was answered before (same pilot, same key) gets the same jobs again.
    """
    pilots = _pilots(session, [pilot_id for pilot_id, _ in requests])
    repeated = _repeated(session, requests)
    claimed: dict[int, list[int]] = {}
    sign_off_at: set[int] = set()
    for place, (pilot_id, request) in enumerate(requests):
        here = pilots.get(pilot_id)
        if here is None or here[1].status in (QueueStatus.OFFLINE,):
            sign_off_at.add(place)
        elif place in repeated:
            claimed[place] = repeated[place]
        elif here[1].status in (QueueStatus.ONLINE, QueueStatus.TEST, QueueStatus.BROKEROFF):
            claimed[place] = _claim(session, here[0], here[1], request)
    specs = _specs(session, claimed, pilots, requests)
    return [
        WorkAnswer(
            jobs=tuple(specs[i] for i in claimed.get(place, ()) if i in specs),
            sign_off=place in sign_off_at,
        )
        for place in range(len(requests))
    ]


def _pilots(session: Session, ids: Sequence[int]) -> dict[int, tuple[Pilot, Queue]]:
    rows = session.exec(
        model_select(Pilot, Queue).join(Queue, col(Queue.id) == col(Pilot.queue_id))
        .where(id_in(Pilot.id, set(ids), session), Pilot.status == PilotStatus.ACTIVE)
    )  # fmt: skip
    found = {pilot.id: (pilot, queue) for pilot, queue in rows}
    session.connection().execute(
        update(PILOT).where(id_in(PILOT.c.id, list(found), session)).values(last_heard_at=db_now())
    )
    return found


def _repeated(
    session: Session, requests: Sequence[tuple[int, WorkRequest]]
) -> dict[int, list[int]]:
    rows = session.connection().execute(
        select(JOB.c.pilot_id, JOB.c.request_key, JOB.c.id)
        .where(JOB_LEASED, id_in(JOB.c.pilot_id, {p for p, _ in requests}, session))
    )  # fmt: skip
    before: dict[tuple[int, str], list[int]] = defaultdict(list)
    for pilot_id, key, job_id in rows:
        before[pilot_id, key].append(job_id)
    return {
        place: before[pilot_id, request.request_key]
        for place, (pilot_id, request) in enumerate(requests)
        if (pilot_id, request.request_key) in before
    }


def _claim(session: Session, pilot: Pilot, queue: Queue, request: WorkRequest) -> list[int]:
    """Claim jobs of the highest priority, each of which fits in what the pilot has free."""
    fitting = session.connection().execute(_waiting(queue, request)).scalars().all()
    settings = queue_settings(queue.settings, queue.name)
    return move_jobs(
        session, fitting, JobEvent.DISPATCHED, Why(f"pilot {pilot.id}"),
        pilot_id=pilot.id, request_key=request.request_key, node=pilot.host,
        lease_expires_at=db_now(settings.lease_seconds),
    )  # fmt: skip


def _waiting(queue: Queue, request: WorkRequest) -> Any:
    fits: list[ColumnElement[bool]] = [
        JOB.c.core_count <= request.core_count,
        JOB.c.memory_mb <= request.memory_mb,
        JOB.c.disk_mb <= request.disk_mb,
    ]
    if request.minutes_left is not None:
        fits.append(JOB.c.walltime_seconds <= request.minutes_left * 60)
    return (
        select(JOB.c.id)
        .where(JOB_WAITING, JOB.c.queue_id == queue.id, *fits)
        .order_by(JOB.c.priority.desc(), JOB.c.id).limit(request.n_jobs)
        .with_for_update(skip_locked=True)
    )  # fmt: skip


def _specs(
    session: Session,
    claimed: dict[int, list[int]],
    pilots: dict[int, tuple[Pilot, Queue]],
    requests: Sequence[tuple[int, WorkRequest]],
) -> dict[int, JobSpec]:
    if not any(claimed.values()):
        return {}
    settings = {
        job_id: queue_settings(pilots[requests[place][0]][1].settings, "queue")
        for place, ids in claimed.items() for job_id in ids
    }  # fmt: skip
    ids = list(settings)
    theirs = select(JOB_FILE.c.file_id).where(id_in(JOB_FILE.c.job_id, ids, session))
    move_files(session, FILE.c.id.in_(theirs) & id_in(FILE.c.job_id, ids, session), FileEvent.SENT)
    return job_specs(session, ids, settings)
