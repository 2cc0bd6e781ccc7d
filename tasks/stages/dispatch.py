"""Dispatch: pilots sign on, ask for work, and get jobs; one statement claims them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlmodel import Session, col
from sqlmodel import select as model_select

from culm.core.errors import NotFound
from culm.core.nearest import unknown_name
from culm.wire.job_spec import JobSpec, PilotSpec, WorkAnswer, WorkRequest
from tasks.lifecycles import FileEvent, JobEvent
from tasks.queues import QueueSettings, queue_settings
from tasks.stages.job_specs import job_specs
from tasks.stages.settle import settle_unrun
from tasks.statuses import JobStatus, PilotStatus, QueueStatus
from tasks.store.bulk import id_in, text_in
from tasks.store.ids import take_ids
from tasks.store.moves import Why, database_time, move_files, move_jobs
from tasks.store.tables import FILE, JOB, JOB_FILE, JOB_LEASED, JOB_WAITING, PILOT
from tasks.tables import Pilot, Queue, Task
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


def sign_off(session: Session, pilot_id: int) -> int:
    """The pilot takes no more work; gives how many jobs went back because it never started them.

    Jobs that it is still running keep their leases.
    """
    session.connection().execute(
        update(PILOT).where(PILOT.c.id == pilot_id)
        .values(status=str(PilotStatus.GONE), last_heard_at=db_now())
    )  # fmt: skip
    rows = session.connection().execute(
        select(JOB.c.id, JOB.c.task_id)
        .where(JOB_LEASED, JOB.c.pilot_id == pilot_id, JOB.c.status == str(JobStatus.SENT))
    )  # fmt: skip
    unstarted: dict[int, list[int]] = defaultdict(list)
    for job_id, task_id in rows:
        unstarted[task_id].append(job_id)
    why = Why("dispatch", f"pilot {pilot_id} signed off before it started the job")
    n_back = 0
    for task_id, job_ids in unstarted.items():
        moved = move_jobs(session, job_ids, JobEvent.CLOSED, why, server_error_diag=why.reason)
        settle_unrun(session, session.get_one(Task, task_id), moved)
        n_back += len(moved)
    return n_back


def dispatch(session: Session, requests: Sequence[tuple[int, WorkRequest]]) -> list[WorkAnswer]:
    """Jobs for pilots, given as (pilot id, request); an answer for each, in order.

    A request that was answered before (same pilot, same key) gets the same jobs again.
    """
    pilots = _pilots(session, [pilot_id for pilot_id, _ in requests])
    repeated = _repeated(session, requests)
    claimed = {place: ids for place, ids in repeated.items() if requests[place][0] in pilots}
    sign_off_at: set[int] = set()
    groups: dict[Any, list[int]] = defaultdict(list)
    first = _first_places(requests)
    for place, (pilot_id, request) in enumerate(requests):
        here = pilots.get(pilot_id)
        if here is None or here[1].status == QueueStatus.OFFLINE:
            sign_off_at.add(place)
        elif place in first and place not in repeated and here[1].status != QueueStatus.PAUSED:
            groups[here[1].id, _room(request)].append(place)
    for (queue_id, room), places in groups.items():
        claimed |= _claim(session, queue_id, room, [(i, *requests[i]) for i in places], pilots)
    for place, same in first.items():
        claimed |= {again: claimed.get(place, []) for again in same}
    specs = _specs(session, claimed, pilots, requests)
    return [
        WorkAnswer(
            jobs=tuple(specs[i] for i in claimed.get(place, ()) if i in specs),
            sign_off=place in sign_off_at,
        )
        for place in range(len(requests))
    ]


def _first_places(requests: Sequence[tuple[int, WorkRequest]]) -> dict[int, list[int]]:
    """The place of each request's first copy in the batch → those of its other copies."""
    places: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, (pilot_id, request) in enumerate(requests):
        places[pilot_id, request.request_key].append(place)
    return {same[0]: same[1:] for same in places.values()}


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
        .where(
            JOB_LEASED,
            id_in(JOB.c.pilot_id, {pilot for pilot, _ in requests}, session),
            text_in(JOB.c.request_key, {request.request_key for _, request in requests}, session),
        )
        .order_by(JOB.c.priority.desc(), JOB.c.id)
    )
    before: dict[tuple[int, str], list[int]] = defaultdict(list)
    for pilot_id, key, job_id in rows:
        before[pilot_id, key].append(job_id)
    return {
        place: before[pilot_id, request.request_key]
        for place, (pilot_id, request) in enumerate(requests)
        if (pilot_id, request.request_key) in before
    }


@dataclass(frozen=True, slots=True)
class Room:
    """What a pilot has free for a job."""

    core_count: int
    memory_mb: int
    disk_mb: int
    minutes_left: float | None


def _room(request: WorkRequest) -> Room:
    return Room(request.core_count, request.memory_mb, request.disk_mb, request.minutes_left)


def _claim(
    session: Session,
    queue_id: int,
    room: Room,
    asked: Sequence[tuple[int, int, WorkRequest]],
    pilots: dict[int, tuple[Pilot, Queue]],
) -> dict[int, list[int]]:
    """Claim jobs for requests of the same queue and room, given as (place, pilot id, request).

    One look for all of them; the jobs of the highest priority go to who asked first.
    """
    wanted = sum(request.n_jobs for _, _, request in asked)
    found = iter(session.connection().execute(_waiting(queue_id, room, wanted)).scalars().all())
    given = {place: list(islice(found, request.n_jobs)) for place, _, request in asked}
    queue = pilots[asked[0][1]][1]
    lease = queue_settings(queue.settings, queue.name).lease_seconds
    rows = [
        {"job": job_id, "pilot": pilot_id, "key": request.request_key,
         "host": pilots[pilot_id][0].host}
        for place, pilot_id, request in asked for job_id in given[place]
    ]  # fmt: skip
    if rows:
        session.connection().execute(_BIND, rows)
        ids = [row["job"] for row in rows]
        # The fence: only jobs that were still waiting move, and only those are handed out.
        moved = set(
            move_jobs(
                session, ids, JobEvent.DISPATCHED, Why("dispatch"), lease_expires_at=db_now(lease)
            )
        )
        given = {place: [i for i in ids if i in moved] for place, ids in given.items()}
    return given


_BIND = (
    update(JOB)
    .where(JOB.c.id == bindparam("job"), JOB.c.status == str(JobStatus.ACTIVATED))
    .values(pilot_id=bindparam("pilot"), request_key=bindparam("key"), node=bindparam("host"))
)


def _waiting(queue_id: int, room: Room, wanted: int) -> Any:
    fits: list[ColumnElement[bool]] = [
        JOB.c.core_count <= room.core_count,
        JOB.c.memory_mb <= room.memory_mb,
        JOB.c.disk_mb <= room.disk_mb,
    ]
    if room.minutes_left is not None:
        fits.append(JOB.c.walltime_seconds <= room.minutes_left * 60)
    return (
        select(JOB.c.id).where(JOB_WAITING, JOB.c.queue_id == queue_id, *fits)
        .order_by(JOB.c.priority.desc(), JOB.c.id).limit(wanted)
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
