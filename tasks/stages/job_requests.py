"""Requests to running jobs: asked by a person, told to the pilot, answered by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, select, text, update
from sqlmodel import Session

from culm.core.errors import Busy, NotFound, WrongStatus
from culm.wire.job_requests import (
    JobAnswer,
    JobRequest,
    JobRequestView,
    NewJobRequest,
    RequestKind,
)
from culm.wire.reports import ReportAnswer
from tasks.statuses import JobStatus
from tasks.store.books import wake
from tasks.store.bulk import ids_among
from tasks.store.moves import database_time
from tasks.store.prepared import Prepared
from tasks.store.tables import JOB, core
from tasks.store.topics import Topic
from tasks.tables import JobRequest as Row
from tasks.tables.columns import db_now
from tasks.tables.job_request import WAITS

MOST_WAITING = 20
"""The most requests to one job that wait for an answer."""
_ROW = core(Row)
_WAITS = text(f"job_request.{WAITS}")
_ALIVE = (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)
_WAITING = Prepared(
    select(_ROW.c.job_id, _ROW.c.id, _ROW.c.kind, _ROW.c.path, _ROW.c.n_lines)
    .where(ids_among(_ROW.c.job_id), _WAITS).order_by(_ROW.c.id)
)  # fmt: skip


def ask(session: Session, job_id: int, user: str, wanted: NewJobRequest) -> JobRequestView:
    """A new request to a job that a pilot has; the pilot gets it with its next report's answer.

    Raises:
        NotFound: there is no such job.
        WrongStatus: no pilot has it (yet, or any more).
        Busy: too many requests to it are not answered yet.
    """
    run = session.connection().execute
    status = run(select(JOB.c.status).where(JOB.c.id == job_id)).scalar()
    if status is None:
        raise NotFound(f"no job {job_id}")
    if status not in _ALIVE:
        raise WrongStatus(f"job {job_id} is {status}: only a job that runs can be asked")
    waiting = run(select(func.count()).where(_ROW.c.job_id == job_id, _WAITS)).scalar_one()
    if waiting >= MOST_WAITING:
        raise Busy(f"{waiting} requests to job {job_id} are not answered yet")
    row = Row(
        job_id=job_id, kind=str(wanted.kind), path=wanted.path, n_lines=wanted.n_lines,
        user_name=user, created_at=database_time(session),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return request_view(session, job_id, row.id or 0)


def request_view(session: Session, job_id: int, request_id: int) -> JobRequestView:
    """One request to a job, with its answer once that is there.

    Raises:
        NotFound: the job was not asked this.
    """
    c = _ROW.c
    row = session.connection().execute(
        select(_ROW, JOB.c.status).join(JOB, JOB.c.id == c.job_id)
        .where(c.id == request_id, c.job_id == job_id)
    ).first()  # fmt: skip
    if row is None:
        raise NotFound(f"no request {request_id} to job {job_id}")
    return JobRequestView(
        request_id=row.id, job_id=job_id, kind=row.kind, path=row.path, asked_by=row.user_name,
        asked_at=row.created_at.isoformat(), job_status=row.status, is_good=row.is_good,
        answer=row.answer,
        answered_at=row.answered_at.isoformat() if row.answered_at else None,
    )  # fmt: skip


def is_over(view: JobRequestView) -> bool:
    """Whether no answer is to be waited for: it is there, or nobody is left to give one."""
    return view.answered_at is not None or view.job_status not in _ALIVE


def waiting_requests(session: Session, job_ids: Sequence[int]) -> dict[int, tuple[JobRequest, ...]]:
    """What was asked of these jobs and is not answered yet, by job; oldest first."""
    found: dict[int, list[JobRequest]] = defaultdict(list)
    for job_id, request_id, kind, path, n_lines in _WAITING.rows(session, ids=list(job_ids)):
        found[job_id].append(
            JobRequest(request_id=request_id, kind=RequestKind(kind), path=path, n_lines=n_lines)
        )
    return {job_id: tuple(requests) for job_id, requests in found.items()}


def with_requests(
    session: Session, answers: list[ReportAnswer], job_ids: Sequence[int]
) -> list[ReportAnswer]:
    """The answers to reports, those of these jobs with what was asked of them."""
    asked = waiting_requests(session, job_ids) if job_ids else {}
    if not asked:
        return answers
    return [replace(a, requests=asked[a.job_id]) if a.job_id in asked else a for a in answers]


def take_answer(session: Session, job_id: int, request_id: int, answer: JobAnswer) -> bool:
    """Keep the first answer to a request; False if there is one, or no such request."""
    done = session.connection().execute(
        update(_ROW).where(_ROW.c.id == request_id, _ROW.c.job_id == job_id, _WAITS)
        .values(answered_at=db_now(), is_good=answer.is_good, answer=answer.text)
    )  # fmt: skip
    wake(session, Topic.JOB_ANSWERED)
    return done.rowcount == 1


def has_job(session: Session, pilot_id: int, job_id: int) -> bool:
    """Whether a pilot has a job now, and so may answer for it."""
    found = session.connection().execute(
        select(JOB.c.id).where(
            JOB.c.id == job_id, JOB.c.pilot_id == pilot_id, JOB.c.lease_expires_at.is_not(None)
        )
    ).first()  # fmt: skip
    return found is not None
