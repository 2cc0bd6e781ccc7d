"""Why a job stands where it stands: waits for whom, runs where, ended of what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.why import Why
from tasks.lifecycles import JOB as MACHINE
from tasks.statuses import JobStatus, QueueStatus
from tasks.store.moves import database_time
from tasks.store.tables import JOB
from tasks.tables import Job
from tasks.why.findings import ENDED, NEVER, NOT_YET, RUNS, WAITS, Finding, seconds, since
from tasks.why.places import Place, jobs_before
from tasks.why.serving import of_build, of_merge
from tasks.why.staff import QueueRow, Staff, pilots_in_words, queue_rows, staff_of, too_large
from tasks.why.task import error_in_words

_WITH_PILOT = (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)


def why_job(session: Session, job_id: int) -> Why:
    """What hinders a job, or how far it is.

    Raises:
        NotFound: there is no such job.
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"no job {job_id}")
    found = _finding(session, job)
    return Why(noun="job", id=job_id, task_id=job.task_id, status=job.status,
               verdict=found.verdict, summary=found.summary, details=found.details,
               changes=found.changes)  # fmt: skip


def _finding(session: Session, job: Job) -> Finding:
    queue, now = queue_rows(session, [job.queue_id])[job.queue_id], database_time(session)
    if job.status in MACHINE.final:
        return _ended(session, job)
    if job.status in _WITH_PILOT:
        return _at_work(job, queue, now)
    if job.status == JobStatus.ACTIVATED:
        return _activated(session, job, queue, now)
    if job.status == JobStatus.DEFINED and (found := of_build(session, job, queue.name)):
        return found
    if job.status == JobStatus.MERGING:
        return of_merge(session, job)
    words = {JobStatus.HOLDING: "its pilot has reported its end: the books settle it next",
             JobStatus.TRANSFERRING: "its output is on the way to where it is gathered",
             JobStatus.ASSIGNED: f"its input is on the way to queue {queue.name}"}  # fmt: skip
    said = words.get(JobStatus(job.status), f"it is {job.status}, and becomes ready to run next")
    return Finding(verdict=WAITS, summary=said)


def _activated(session: Session, job: Job, queue: QueueRow, now: datetime) -> Finding:
    staff = staff_of(session, [job.queue_id]).get(job.queue_id, Staff())
    summary = f"it waits for a pilot at queue {queue.name} for {since(job.created_at, now)}"
    place = Place(job.share_name, job.priority, job.id)
    ahead = jobs_before(session, {job.queue_id: place})[job.queue_id]
    details = [pilots_in_words(queue, staff, now)]
    verb = "stands" if ahead.total == 1 else "stand"
    details.append(f"{ahead} {verb} before it" if ahead.total else "it is the first in the line")
    short = too_large(session, job) if staff.n_slots else ()
    if short:
        return Finding(verdict=NEVER, summary=f"{summary}: no pilot there is large enough",
                       details=(*details, *short))  # fmt: skip
    if queue.status == QueueStatus.OFFLINE:
        details.append("if the queue stays so, the job is sent elsewhere after some hours")
    return Finding(verdict=NOT_YET, summary=summary, details=tuple(details))


def _at_work(job: Job, queue: QueueRow, now: datetime) -> Finding:
    where = f"on {job.node or 'a node'} at queue {queue.name} (pilot {job.pilot_id})"
    if job.started_at is None:
        return Finding(verdict=RUNS, summary=f"it was sent to a pilot and starts {where}")
    ran = (now - job.started_at).total_seconds()
    details = [f"it asked for at most {seconds(job.walltime_seconds)}"]
    if job.lease_expires_at is not None:
        left = (job.lease_expires_at - now).total_seconds()
        details.append(f"it counts as lost if nothing is heard of it for {seconds(left)}")
    if job.kill_reason:
        details.insert(0, f"its pilot is told to kill it: {job.kill_reason}")
    return Finding(verdict=RUNS, summary=f"it runs {where} for {seconds(ran)}",
                   details=tuple(details))  # fmt: skip


def _ended(session: Session, job: Job) -> Finding:
    details = []
    if job.status != JobStatus.FINISHED:
        said = error_in_words(job.pilot_error_code, job.server_error_code)
        details.append(said)
        diag = job.server_error_diag or job.pilot_error_diag
        details += [diag] if diag and diag != said else []
    again = session.connection().execute(
        select(JOB.c.id, JOB.c.status).where(JOB.c.task_id == job.task_id,
                                             JOB.c.retry_of == job.id)
    ).first()  # fmt: skip
    if again:
        details.append(f"its input is tried again by job {again.id}, which is {again.status}")
    return Finding(verdict=ENDED, summary=f"it has ended: {job.status}", details=tuple(details))
