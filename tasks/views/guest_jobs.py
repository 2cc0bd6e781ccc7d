"""What PanDA's pilot is told of a job beside its specification: whose it is, where files go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from tasks.store.bulk import ids_among
from tasks.store.prepared import Prepared
from tasks.store.tables import ENDPOINT, JOB, QUEUE, QUEUE_STORAGE, TASK


@dataclass(frozen=True, slots=True)
class GuestJob:
    """The owner of a job, its state, and the endpoint that its outputs go to.

    `directory` is None where the endpoint's files are in no file system that we share.
    """

    id: int
    task_id: int
    status: str
    attempt_nr: int
    priority: int
    resource_type: str
    user: str
    queue: str
    endpoint: str
    url: str
    directory: Path | None


_JOBS = Prepared(
    select(JOB.c.id, JOB.c.task_id, JOB.c.status, JOB.c.attempt_nr, JOB.c.priority,
           JOB.c.resource_type, TASK.c.user_name, QUEUE.c.name, func.coalesce(ENDPOINT.c.name, ""),
           func.coalesce(ENDPOINT.c.url, ""), ENDPOINT.c.directory)
    .join(TASK, TASK.c.id == JOB.c.task_id).join(QUEUE, QUEUE.c.id == JOB.c.queue_id)
    .outerjoin(ENDPOINT, ENDPOINT.c.id == TASK.c.endpoint_id)
    .where(ids_among(JOB.c.id))
)  # fmt: skip


def guest_jobs(session: Session, job_ids: Sequence[int]) -> dict[int, GuestJob]:
    """These jobs, by id; those that are not there are left out."""
    found = {}
    for row in _JOBS.rows(session, ids=list(job_ids)):
        values: list[Any] = [*row[:-1], Path(row[-1]) if row[-1] else None]
        found[row[0]] = GuestJob(*values)
    return found


def shared_endpoints(session: Session, queue: str = "") -> list[tuple[str, Path]]:
    """Endpoints whose files lie in a directory, by name: those that a queue reads, or all."""
    query = select(ENDPOINT.c.name, ENDPOINT.c.directory).where(ENDPOINT.c.directory.is_not(None))
    if queue:
        query = (
            query.join(QUEUE_STORAGE, QUEUE_STORAGE.c.endpoint_id == ENDPOINT.c.id)
            .join(QUEUE, QUEUE.c.id == QUEUE_STORAGE.c.queue_id)
            .where(QUEUE.c.name == queue, QUEUE_STORAGE.c.reads)
        )
    rows = session.connection().execute(query.order_by(ENDPOINT.c.id))
    return [(name, Path(directory)) for name, directory in rows]


def endpoints_of(session: Session, queue: str) -> list[str]:
    """The endpoints in a directory that a queue reads or writes, in the order of their making."""
    rows = session.connection().execute(
        select(ENDPOINT.c.name)
        .join(QUEUE_STORAGE, QUEUE_STORAGE.c.endpoint_id == ENDPOINT.c.id)
        .join(QUEUE, QUEUE.c.id == QUEUE_STORAGE.c.queue_id)
        .where(QUEUE.c.name == queue, ENDPOINT.c.directory.is_not(None))
        .order_by(ENDPOINT.c.id)
    )
    return list(rows.scalars())
