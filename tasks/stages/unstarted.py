"""Jobs that nobody has started go back: they are closed, and their input is brokered again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session

from culm.wire.error_codes import ServerError
from tasks.lifecycles import JobEvent
from tasks.stages.settle import settle_unrun
from tasks.store.moves import Why, move_jobs
from tasks.tables import Task


def send_back(session: Session, task_id: int, job_ids: Iterable[int], why: Why) -> int:
    """Close these jobs of a task, which the caller holds; gives how many were not started yet."""
    moved = move_jobs(
        session, job_ids, JobEvent.CLOSED, why,
        server_error_code=int(ServerError.WAITED_TOO_LONG), server_error_diag=why.reason,
    )  # fmt: skip
    settle_unrun(session, session.get_one(Task, task_id), moved)
    return len(moved)
