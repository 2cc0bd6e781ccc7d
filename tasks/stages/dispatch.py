"""Dispatch: pilots sign on, ask for work, and get jobs; one statement claims them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Float, bindparam, exists, select, update
from sqlmodel import Session
from sqlmodel import select as model_select

from culm.core.errors import NotFound
from culm.core.nearest import unknown_name
from culm.wire.job_spec import JobSpec, PilotSpec, WorkAnswer, WorkRequest
from tasks.lifecycles import FileEvent, JobEvent
from tasks.queues import QueueSettings, queue_settings, settings_of_text
from tasks.stages.job_specs import job_specs
from tasks.stages.serving import Room, next_jobs
from tasks.stages.settle import PRIMARY, WRITTEN, settle_unrun
from tasks.statuses import JobStatus, PilotStatus, QueueStatus
from tasks.store.books import wake
from tasks.store.bulk import ids_among, texts_among
from tasks.store.ids import take_ids
from tasks.store.moves import EachJobMove, Why, database_time, move_files_of_jobs, move_jobs
from tasks.store.prepared import Prepared
from tasks.store.tables import JOB, JOB_LEASED, PILOT, QUEUE, QUEUE_SETTINGS, REST
from tasks.store.topics import Topic
from tasks.tables import Pilot, Queue, Task
from tasks.tables.columns import db_now

HEARD_SECONDS = 5.0
"""How exactly it is known when a pilot was last heard of."""
NO_LIMIT_SECONDS = 1e12


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
    # Its slots are places for which tasks may wait.
    wake(session, Topic.TASK_READY)
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


def dispatch(
    session: Session,
    requests: Sequence[tuple[int, WorkRequest]],
    least_lease_seconds: float = 0.0,
) -> list[WorkAnswer]:
    """Jobs for pilots, given as (pilot id, request); an answer for each, in order.

    A request that was answered before (same pilot, same key) gets the same jobs again. Leases
    are those of the queue, but never shorter than said here.
    """
    pilots = _pilots(session, [pilot_id for pilot_id, _ in requests], least_lease_seconds)
    repeated = _repeated(session, requests)
    claimed = {place: ids for place, ids in repeated.items() if requests[place][0] in pilots}
    sign_off_at: set[int] = set()
    groups: dict[Any, list[int]] = defaultdict(list)
    first = _first_places(requests)
    for place, (pilot_id, request) in enumerate(requests):
        here = pilots.get(pilot_id)
        if here is None or here.queue_status == QueueStatus.OFFLINE:
            sign_off_at.add(place)
        elif place in first and place not in repeated and here.takes_jobs:
            groups[here.queue_id, _room(request)].append(place)
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


@dataclass(frozen=True, slots=True)
class _Pilot:
    """A pilot that may get work, and its queue."""

    id: int
    host: str
    queue_id: int
    queue_status: str
    settings: QueueSettings
    rests: bool
    """Its node fails jobs fast and gets none for a while."""
    lease_seconds: float

    @property
    def takes_jobs(self) -> bool:
        """Whether it may get new jobs."""
        return self.queue_status != QueueStatus.PAUSED and not self.rests


_PILOTS = Prepared(
    select(PILOT.c.id, PILOT.c.host, QUEUE.c.id, QUEUE.c.status, QUEUE.c.name, QUEUE_SETTINGS,
           PILOT.c.last_heard_at < db_now(-HEARD_SECONDS),
           exists().where(REST.c.queue_id == PILOT.c.queue_id, REST.c.node == PILOT.c.host,
                          REST.c.until > db_now()))
    .join(QUEUE, QUEUE.c.id == PILOT.c.queue_id)
    .where(ids_among(PILOT.c.id), PILOT.c.status == str(PilotStatus.ACTIVE))
)  # fmt: skip
_HEARD = Prepared(update(PILOT).where(ids_among(PILOT.c.id)).values(last_heard_at=db_now()))


def _pilots(session: Session, ids: Sequence[int], least_lease: float) -> dict[int, _Pilot]:
    rows = _PILOTS.rows(session, ids=list(set(ids)))
    silent = [row[0] for row in rows if row[6]]
    if silent:
        _HEARD.change(session, ids=silent)
    found = {}
    for pilot_id, host, queue_id, status, name, text, _, rests in rows:
        settings = settings_of_text(text, name)
        lease = max(settings.lease_seconds, least_lease)
        found[pilot_id] = _Pilot(pilot_id, host, queue_id, status, settings, rests, lease)
    return found


_REPEATED = Prepared(
    select(JOB.c.pilot_id, JOB.c.request_key, JOB.c.id)
    .where(JOB_LEASED, ids_among(JOB.c.pilot_id, "pilots"), texts_among(JOB.c.request_key, "keys"))
    .order_by(JOB.c.priority.desc(), JOB.c.id)
)


def _repeated(
    session: Session, requests: Sequence[tuple[int, WorkRequest]]
) -> dict[int, list[int]]:
    pilots = list({pilot for pilot, _ in requests})
    keys = list({request.request_key for _, request in requests})
    before: dict[tuple[int, str], list[int]] = defaultdict(list)
    for pilot_id, key, job_id in _REPEATED.rows(session, pilots=pilots, keys=keys):
        before[pilot_id, key].append(job_id)
    return {
        place: before[pilot_id, request.request_key]
        for place, (pilot_id, request) in enumerate(requests)
        if (pilot_id, request.request_key) in before
    }


def _room(request: WorkRequest) -> Room:
    left = NO_LIMIT_SECONDS if request.minutes_left is None else request.minutes_left * 60
    return Room(request.core_count, request.memory_mb, request.disk_mb, left)


_SEND = EachJobMove(
    JobEvent.DISPATCHED,
    pilot_id=bindparam("pilot"),
    request_key=bindparam("key"),
    node=bindparam("host"),
    lease_expires_at=db_now(bindparam("lease", type_=Float)),
)


def _claim(
    session: Session,
    queue_id: int,
    room: Room,
    asked: Sequence[tuple[int, int, WorkRequest]],
    pilots: dict[int, _Pilot],
) -> dict[int, list[int]]:
    """Claim jobs for requests of the same queue and room, given as (place, pilot id, request).

    One look for all of them; the jobs that come first go to who asked first.
    """
    wanted = sum(request.n_jobs for _, _, request in asked)
    power = pilots[asked[0][1]].settings.core_power
    found = iter(next_jobs(session, queue_id, room, wanted, power))
    given = {place: list(islice(found, request.n_jobs)) for place, _, request in asked}
    rows = {
        job_id: {"pilot": pilot_id, "key": request.request_key, "host": pilots[pilot_id].host,
                 "lease": pilots[pilot_id].lease_seconds}
        for place, pilot_id, request in asked for job_id in given[place]
    }  # fmt: skip
    # The fence: the jobs that were found are held, and move only from where they were seen.
    seen = dict.fromkeys(rows, str(JobStatus.ACTIVATED))
    _SEND.move(session, seen, rows, Why("dispatch"))
    return given


def _specs(
    session: Session,
    claimed: dict[int, list[int]],
    pilots: dict[int, _Pilot],
    requests: Sequence[tuple[int, WorkRequest]],
) -> dict[int, JobSpec]:
    settings = {
        job_id: pilots[requests[place][0]].settings
        for place, ids in claimed.items() for job_id in ids
    }  # fmt: skip
    if not settings:
        return {}
    kinds = (*PRIMARY, *WRITTEN)
    move_files_of_jobs(session, list(settings), kinds, FileEvent.SENT)
    return job_specs(session, list(settings), settings)
