"""Whose a sandbox is, and which pilots run jobs with it."""

from __future__ import annotations

from sqlmodel import Session, col, select

from tasks.specs import specs_of
from tasks.tables import Job, Sandbox


def is_sandbox_of(session: Session, digest: str, user: str) -> bool:
    """Whether the user has stored this archive."""
    row = session.get(Sandbox, digest)
    return row is not None and row.owner == user


def is_sandbox_of_pilot(session: Session, digest: str, pilot_id: int) -> bool:
    """Whether a job that the pilot has now uses this archive."""
    query = (
        select(Job.task_id)
        .where(Job.pilot_id == pilot_id, col(Job.lease_expires_at).is_not(None))
        .distinct()
    )
    specs = specs_of(session, session.exec(query).all())
    return any(spec.sandbox == digest for spec in specs.values())
