"""Jobs as the owners of their tasks see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from culm.wire.error_codes import SERVER_KINDS, words
from culm.wire.views import JobFileView, JobList, JobView
from tasks.lifecycles import JOB
from tasks.specs import spec_of
from tasks.stages.job_specs import command_of
from tasks.statuses import JobKind, JobStatus
from tasks.tables import Dataset, File, Job, JobFile, JobMetadata, Queue, Task
from tasks.views.shown import moment, moment_or_none, page

_HERE = col(Queue.id) == col(Job.queue_id)
# A queue may vanish while jobs are there: they are shown all the same.
_QUEUE = func.coalesce(Queue.name, "(gone)")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs of a task a list shows; `after` is the id behind which the page starts."""

    task_id: int
    statuses: tuple[JobStatus, ...] = ()
    kinds: tuple[JobKind, ...] = ()
    limit: int = 100
    after: int | None = None


def job_view(session: Session, job_id: int) -> JobView:
    """One job with its files, measurements and last lines of output.

    Raises:
        NotFound: there is no such job.
    """
    query = select(Job, _QUEUE).outerjoin(Queue, _HERE).where(Job.id == job_id)
    found = session.exec(query).first()
    if found is None:
        raise NotFound(f"no job {job_id}")
    left = session.get(JobMetadata, job_id)
    files = _files(session, job_id)
    return replace(
        _view(*found),
        command=command_of(found[0], spec_of(session, found[0].task_id), files),
        files=files,
        output_tail=left.output_tail if left else "",
        metrics=_numbers(left.metrics or {}) if left else {},
        user_metadata=left.user_metadata if left else None,
    )


def job_list(session: Session, wanted: JobFilter) -> JobList:
    """A page of a task's jobs in order of id."""
    query = (
        select(Job, _QUEUE)
        .outerjoin(Queue, _HERE)
        .where(Job.task_id == wanted.task_id)
        .order_by(col(Job.id))
        .limit(wanted.limit + 1)
    )
    if wanted.statuses:
        query = query.where(col(Job.status).in_(wanted.statuses))
    if wanted.kinds:
        query = query.where(col(Job.kind).in_(wanted.kinds))
    if wanted.after is not None:
        query = query.where(col(Job.id) > wanted.after)
    rows, last = page(session.exec(query).all(), wanted.limit)
    return JobList(jobs=tuple(_view(*row) for row in rows), next=last[0].id if last else None)


def job_owner(session: Session, job_id: int) -> str | None:
    """The name of the owner of the job's task; None if there is no such job."""
    query = select(Task.user_name).where(Task.id == Job.task_id, Job.id == job_id)
    return session.exec(query).first()


def error_words(job: Job) -> str:
    """What went wrong with a job, in words; empty where nothing did."""
    told = []
    if job.pilot_error_code:
        told.append(_joined(words(job.pilot_error_code), job.pilot_error_diag))
    if job.server_error_code:
        kind = SERVER_KINDS.get(job.server_error_code)
        told.append(
            _joined(kind.words if kind else f"error {job.server_error_code}", job.server_error_diag)
        )
    return "; ".join(told)


def _joined(kind: str, diagnosis: str) -> str:
    """The kind and what was noted; a note that says the kind itself is enough."""
    if not diagnosis or diagnosis.startswith(kind):
        return diagnosis or kind
    return f"{kind}: {diagnosis}"


def _view(job: Job, queue: str) -> JobView:
    return JobView(
        job_id=job.id,
        task_id=job.task_id,
        attempt_nr=job.attempt_nr,
        kind=job.kind,
        status=job.status,
        final=JobStatus(job.status) in JOB.final,
        queue=queue,
        created_at=moment(job.created_at),
        modified_at=moment(job.modified_at),
        retry_of=job.retry_of,
        pilot_id=job.pilot_id,
        node=job.node,
        started_at=moment_or_none(job.started_at),
        ended_at=moment_or_none(job.ended_at),
        exit_code=job.exit_code,
        pilot_error_code=job.pilot_error_code,
        server_error_code=job.server_error_code,
        error=error_words(job),
        core_count=job.core_count,
        memory_mb=job.memory_mb,
        priority=job.priority,
    )


def _files(session: Session, job_id: int) -> tuple[JobFileView, ...]:
    query = (
        select(JobFile, File, Dataset)
        .where(
            JobFile.job_id == job_id,
            JobFile.file_id == File.id,
            File.dataset_id == Dataset.id,
        )
        .order_by(col(JobFile.file_id))
    )
    return tuple(_file(*row) for row in session.exec(query))


def _file(mine: JobFile, file: File, dataset: Dataset) -> JobFileView:
    return JobFileView(
        lfn=file.lfn,
        kind=mine.kind,
        stream=dataset.stream,
        dataset=dataset.name,
        # What this attempt wrote; an input's size and checksum are those of the file itself.
        size_bytes=file.size_bytes if mine.size_bytes is None else mine.size_bytes,
        adler32=mine.adler32 or file.adler32,
    )


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    pairs: Iterable[tuple[str, Any]] = metrics.items()
    return {name: value for name, value in pairs if isinstance(value, (int, float))}
