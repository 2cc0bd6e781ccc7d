"""How many there are: for metrics, in one grouped query a noun."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import Session, col, select

from tasks.tables import Job, Task


def jobs_by_status(session: Session) -> dict[str, int]:
    """All jobs that are kept, counted by status."""
    return dict(session.exec(select(Job.status, func.count()).group_by(col(Job.status))).all())


def tasks_by_status(session: Session) -> dict[str, int]:
    """All tasks, counted by status."""
    return dict(session.exec(select(Task.status, func.count()).group_by(col(Task.status))).all())
