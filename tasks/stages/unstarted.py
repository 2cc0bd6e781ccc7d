"""Jobs that nobody has started go back: they are closed, and their input is brokered again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session

from culm.wire.error_codes import ServerError
from tasks.lifecycles import JobEvent
from tasks.stages.settle import settle_unrun
from tasks.statuses import JobStatus
from tasks.store.moves import Why, move_jobs
from tasks.tables import Task


def send_back(
    session: Session,
    task_id: int,
    job_ids: Iterable[int],
    why: Why,
    *,
    seen: JobStatus | None = None,
) -> int:
    """Close these jobs of a task, which the caller holds; gives how many were not started yet.

    `seen`: what they all were when they were looked at; one that has moved on is left alone.
    """
    ids = list(job_ids)
    moved = move_jobs(
        session, ids, JobEvent.CLOSED, why, seen=dict.fromkeys(ids, seen) if seen else None,
        server_error_code=int(ServerError.WAITED_TOO_LONG), server_error_diag=why.reason,
    )  # fmt: skip
    settle_unrun(session, session.get_one(Task, task_id), moved)
    return len(moved)
