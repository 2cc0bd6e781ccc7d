"""Input that the system failed again and again pauses before its next try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session

from tasks.retry_rules import FREE_LOSSES, pause_seconds
from tasks.statuses import FileStatus
from tasks.store.bulk import id_in
from tasks.store.tables import DATASET, FILE, JOB
from tasks.tables.columns import db_now, unix_seconds


def pauses(session: Session, losses: Mapping[int, int]) -> dict[int, float]:
    """The jobs whose input is not to be tried again yet, and for how many seconds.

    `losses` says how often the system failed the input of each job.
    """
    often = {job_id: n_lost for job_id, n_lost in losses.items() if n_lost > FREE_LOSSES}
    if not often:
        return {}
    age = unix_seconds(db_now()) - unix_seconds(JOB.c.created_at)
    rows = session.connection().execute(
        select(JOB.c.id, age).where(id_in(JOB.c.id, often, session))
    )
    left = {job_id: pause_seconds(often[job_id]) - float(seconds) for job_id, seconds in rows}
    return {job_id: seconds for job_id, seconds in left.items() if seconds > 0}


@dataclass(frozen=True, slots=True)
class Pausing:
    """So much input of a task pauses; the first of it is tried again in so many seconds."""

    n_files: int
    seconds: float


def pausing(session: Session, task_id: int) -> Pausing | None:
    """The input of a task that pauses now; None if none does."""
    rows = session.connection().execute(
        select(FILE.c.job_id, func.max(FILE.c.n_lost), func.count())
        .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .where(DATASET.c.task_id == task_id, DATASET.c.is_primary, FILE.c.job_id.is_not(None),
               FILE.c.status == str(FileStatus.READY), FILE.c.n_lost > FREE_LOSSES)
        .group_by(FILE.c.job_id)
    ).all()  # fmt: skip
    left = pauses(session, {job_id: n_lost for job_id, n_lost, _ in rows})
    n_files = sum(count for job_id, _, count in rows if job_id in left)
    return Pausing(n_files, min(left.values())) if left else None
