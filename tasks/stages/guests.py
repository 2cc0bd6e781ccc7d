"""Guests: pilots that do not sign on, such as PanDA's. They are known by queue and node.

A guest reports every half hour and counts as lost after two hours (PanDA's
`default.cfg` and server), so the leases of its jobs are long. Its reports bear no number: here
they get one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select, text
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.core.nearest import unknown_name
from culm.wire.job_requests import MAX_ANSWER, JobAnswer, RequestKind
from culm.wire.job_spec import JobSpec, PilotSpec, WorkAnswer, WorkRequest
from culm.wire.reports import JobReport, ReportAnswer
from tasks.queues import QueueSettings, settings_of_text
from tasks.stages.dispatch import dispatch, sign_on
from tasks.stages.job_requests import take_answer
from tasks.stages.job_specs import job_specs
from tasks.stages.reports import FINAL_STATES, take_reports
from tasks.statuses import PilotStatus
from tasks.store.bulk import ids_among
from tasks.store.prepared import Prepared
from tasks.store.tables import JOB, PILOT, QUEUE, QUEUE_SETTINGS, core
from tasks.tables import JobRequest
from tasks.tables.job_request import WAITS

LEASE_SECONDS = 7200.0
VERSION = "panda-pilot"
"""What the books say of a guest in place of the version that it does not tell."""
_NOBODY = 0
"""Bound to no job: what this pilot says is refused and noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAsk:
    """A guest at a node asks for work at a queue."""

    queue: str
    node: str
    request: WorkRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """A report of a guest: from a node ("" if it does not say), for queues that it may serve.

    `queues` is None where it may serve all. `said` answers what was asked of the job.
    """

    report: JobReport
    node: str = ""
    queues: Collection[str] | None = None
    said: str = ""


def dispatch_to_guests(session: Session, asks: Sequence[GuestAsk]) -> list[WorkAnswer]:
    """Jobs for guests, in order of their requests.

    Raises:
        NotFound: there is no such queue.
    """
    requests = [(_pilot_id(session, ask), ask.request) for ask in asks]
    return dispatch(session, requests, LEASE_SECONDS)


def _pilot_id(session: Session, ask: GuestAsk) -> int:
    known = session.connection().execute(
        select(PILOT.c.id).join(QUEUE, QUEUE.c.id == PILOT.c.queue_id)
        .where(QUEUE.c.name == ask.queue, PILOT.c.host == ask.node, PILOT.c.version == VERSION,
               PILOT.c.status == str(PilotStatus.ACTIVE))
        .order_by(PILOT.c.id).limit(1)
    ).scalar()  # fmt: skip
    if known is not None:
        return int(known)
    want = ask.request
    spec = PilotSpec(queue=ask.queue, host=ask.node, process_id=0, version=VERSION,
                     core_count=want.core_count, memory_mb=want.memory_mb,
                     disk_mb=want.disk_mb)  # fmt: skip
    pilot_id, _ = sign_on(session, spec)
    session.flush()
    return pilot_id


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that a guest got, as the books have it."""

    id: int
    attempt_nr: int
    pilot_id: int
    node: str
    queue: str
    report_nr: int
    reported_state: str
    is_leased: bool


_HELD = Prepared(
    select(JOB.c.id, JOB.c.attempt_nr, JOB.c.pilot_id, PILOT.c.host, QUEUE.c.name,
           JOB.c.report_nr, JOB.c.reported_state, JOB.c.lease_expires_at.is_not(None))
    .join(PILOT, PILOT.c.id == JOB.c.pilot_id).join(QUEUE, QUEUE.c.id == PILOT.c.queue_id)
    .where(ids_among(JOB.c.id), PILOT.c.version == VERSION)
)  # fmt: skip


def held_jobs(session: Session, job_ids: Sequence[int]) -> dict[int, HeldJob]:
    """Those of these jobs that a guest has or had, by id."""
    return {row[0]: HeldJob(*row) for row in _HELD.rows(session, ids=list(job_ids))}


def is_from(job: HeldJob | None, told: GuestReport) -> bool:
    """Whether the job may be the one that a report is about: its node, a queue of the teller's."""
    if job is None or (told.queues is not None and job.queue not in told.queues):
        return False
    return not told.node or told.node == job.node


def take_guest_reports(session: Session, told: Sequence[GuestReport]) -> list[ReportAnswer]:
    """Take up reports of guests; an answer for each, in order.

    A final report that was taken before is answered again: its first answer may be lost.
    """
    held = held_jobs(session, [each.report.job_id for each in told])
    last = {job.id: job.report_nr for job in held.values()}
    _take_answers(session, [t for t in told if t.said and is_from(held.get(t.report.job_id), t)])
    numbered = [_numbered(each, held, last) for each in told]
    answers = take_reports(session, numbered, LEASE_SECONDS)
    return [_without_unfit(session, answer) if answer.requests else answer for answer in answers]


def _without_unfit(session: Session, answer: ReportAnswer) -> ReportAnswer:
    """The answer with what a guest can be asked; the other requests are answered at once."""
    fit = [each for each in answer.requests if not each.path or _PLAIN.fullmatch(each.path)]
    for each in answer.requests:
        if each not in fit:
            words = "PanDA's pilot takes paths of letters, digits and ._+=@:/- only"
            no = JobAnswer(is_good=False, text=words)
            take_answer(session, answer.job_id, each.request_id, no)
    # A guest never says that it listens more often now.
    if fit and fit[0].kind in _SWITCHES:
        done = JobAnswer(is_good=True, text="its pilot was told")
        take_answer(session, answer.job_id, fit[0].request_id, done)
    return replace(answer, requests=tuple(fit))


_PLAIN = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._+=@:/-]*")
"""Guests give what they are asked to a shell: it must find nothing to do in a path."""


_SWITCHES = (RequestKind.DEBUG, RequestKind.DEBUG_OFF)
_REQUEST = core(JobRequest)
_HANDED = Prepared(
    select(_REQUEST.c.job_id, func.min(_REQUEST.c.id))
    .join(JOB, JOB.c.id == _REQUEST.c.job_id)
    # What was asked after the last report was not told to the pilot yet.
    .where(ids_among(_REQUEST.c.job_id), text(f"job_request.{WAITS}"),
           _REQUEST.c.created_at <= JOB.c.modified_at)
    .group_by(_REQUEST.c.job_id)
)  # fmt: skip


def _take_answers(session: Session, told: Sequence[GuestReport]) -> None:
    """What guests said on being asked: the answer to the oldest request that they were told."""
    said = {each.report.job_id: each.said for each in told}
    for job_id, request_id in _HANDED.rows(session, ids=list(said)) if said else ():
        answer = JobAnswer(is_good=True, text=said[job_id][-MAX_ANSWER:])
        take_answer(session, job_id, request_id, answer)


def _numbered(
    told: GuestReport, held: Mapping[int, HeldJob], last: dict[int, int]
) -> tuple[int, JobReport]:
    job = held.get(told.report.job_id)
    if job is None or not is_from(job, told):
        return _NOBODY, told.report
    # Its files were looked at when its end was told first: that verdict stands.
    repeated = told.report.state in FINAL_STATES and bool(job.reported_state)
    number = last[job.id] + (0 if repeated and last[job.id] else 1)
    last[job.id] = number
    return job.pilot_id, replace(told.report, report_nr=number, node=job.node)


def settings_of_queue(session: Session, name: str) -> QueueSettings:
    """The settings of the queue of this name.

    Raises:
        NotFound: there is none.
    """
    run = session.connection().execute
    text = run(select(QUEUE_SETTINGS).where(QUEUE.c.name == name)).scalar()
    if text is None:
        known = run(select(QUEUE.c.name)).scalars()
        raise NotFound(f"queue {name}: {unknown_name(name, known)}")
    return settings_of_text(text, name)


def spec_of(session: Session, job_id: int) -> JobSpec:
    """The specification of a job, as it was given out.

    Raises:
        NotFound: there is no such job.
    """
    row = session.connection().execute(
        select(QUEUE.c.name, QUEUE_SETTINGS)
        .join(JOB, JOB.c.queue_id == QUEUE.c.id).where(JOB.c.id == job_id)
    ).first()  # fmt: skip
    if row is None:
        raise NotFound(f"no job {job_id}")
    return job_specs(session, [job_id], {job_id: settings_of_text(row[1], row[0])})[job_id]
