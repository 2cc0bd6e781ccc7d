"""What a task came to, as its owner is told."""

from __future__ import annotations

from sqlalchemy import func, select, text
from sqlmodel import Session

from culm.wire.notices import TaskSummary
from tasks.statuses import JobStatus
from tasks.store.tables import JOB, QUEUE
from tasks.tables.job import SERVING
from tasks.views.tasks import task_view

SITES_SHOWN = 10
_FAILED = (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.CLOSED)


def task_summary(session: Session, task_id: int) -> TaskSummary:
    """What a task came to, or how far it is.

    Raises:
        NotFound: there is no such task.
    """
    task = task_view(session, task_id)
    counts = _last_attempts(session, task_id)
    return TaskSummary(
        task_id=task_id, name=task.name, user=task.user, status=task.status, final=task.final,
        reason=task.reason, created_at=task.created_at, ended_at=task.ended_at,
        sites=_sites(session, task_id), n_jobs=sum(counts.values()),
        n_succeeded=counts.get(JobStatus.FINISHED, 0),
        n_failed=sum(counts.get(status, 0) for status in _FAILED),
        inputs=task.input_datasets, outputs=task.output_datasets,
    )  # fmt: skip


def _last_attempts(session: Session, task_id: int) -> dict[str, int]:
    """Status → how many, of the jobs over the input that none was tried after."""
    again = select(JOB.c.retry_of).where(JOB.c.task_id == task_id, JOB.c.retry_of.is_not(None))
    rows = session.connection().execute(
        select(JOB.c.status, func.count())
        .where(JOB.c.task_id == task_id, text(f"job.kind NOT IN {SERVING}"), JOB.c.id.not_in(again))
        .group_by(JOB.c.status)
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def _sites(session: Session, task_id: int) -> tuple[str, ...]:
    rows = session.connection().execute(
        select(QUEUE.c.name).join(JOB, JOB.c.queue_id == QUEUE.c.id)
        .where(JOB.c.task_id == task_id)
        .group_by(QUEUE.c.name).order_by(func.count().desc(), QUEUE.c.name).limit(SITES_SHOWN)
    )  # fmt: skip
    return tuple(rows.scalars())
