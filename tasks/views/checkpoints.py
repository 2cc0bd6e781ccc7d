"""Checkpoints of points: who may save and fetch one, which are of use yet."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, exists, func, or_, select, update
from sqlmodel import Session

from tasks.lifecycles import TASK as MACHINE
from tasks.store.bulk import id_in
from tasks.store.tables import JOB, JOB_FILE, SEARCH_POINT, TASK
from tasks.tables.columns import db_now

KEPT_SECONDS = 30 * 86_400.0
"""How long checkpoints of a task that has ended are kept: it may be retried."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that is there: its task, and its name in the store."""

    task_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A pilot, the job that it has, and the point that the job evaluates."""

    pilot_id: int
    job_id: int
    file_id: int


def task_held(session: Session, holder: Holder, *, lock: bool = False) -> int | None:
    """The task of the point, if the pilot has the job now and has not reported its end."""
    has_point = exists().where(
        JOB_FILE.c.job_id == JOB.c.id, JOB_FILE.c.file_id == holder.file_id,
        SEARCH_POINT.c.file_id == JOB_FILE.c.file_id,
    )  # fmt: skip
    query = select(JOB.c.task_id).where(
        JOB.c.id == holder.job_id, JOB.c.pilot_id == holder.pilot_id, JOB.c.reported_state == "",
        JOB.c.lease_expires_at.is_not(None), has_point,
    )  # fmt: skip
    query = query.with_for_update() if lock else query
    found: int | None = session.connection().execute(query).scalar()
    return found


def checkpoint_of(session: Session, file_id: int) -> Kept | None:
    """The checkpoint of a point; None if there is none."""
    c = SEARCH_POINT.c
    row = session.connection().execute(
        select(c.task_id, c.checkpoint_name).where(c.file_id == file_id, c.checkpoint_name != "")
    ).first()  # fmt: skip
    return Kept(row.task_id, row.checkpoint_name) if row else None


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """What an attempt saved: its name in the store, and what its bytes are."""

    name: str
    size_bytes: int
    adler32: str


def keep_checkpoint(session: Session, holder: Holder, new: NewCheckpoint) -> bool:
    """Note a checkpoint as its point's; False if the job is not the pilot's any more."""
    if task_held(session, holder, lock=True) is None:
        return False
    session.connection().execute(
        update(SEARCH_POINT).where(SEARCH_POINT.c.file_id == holder.file_id)
        .values(checkpoint_name=new.name, checkpoint_bytes=new.size_bytes,
                checkpoint_adler32=new.adler32)
    )  # fmt: skip
    return True


def wanted_checkpoints(session: Session, task_ids: list[int]) -> set[Kept]:
    """Of these tasks, the checkpoints that some later try may ask for."""
    c = SEARCH_POINT.c
    ended_at = func.coalesce(TASK.c.ended_at, TASK.c.modified_at)
    final = TASK.c.status.in_([str(s) for s in MACHINE.final])
    alive = or_(~final, ended_at > db_now(-KEPT_SECONDS))
    open_yet = or_(c.loss.is_(None), c.is_hopeless)
    rows = session.connection().execute(
        select(c.task_id, c.checkpoint_name).join(TASK, TASK.c.id == c.task_id)
        .where(id_in(c.task_id, task_ids, session), and_(c.checkpoint_name != "", open_yet, alive))
    )  # fmt: skip
    return {Kept(row.task_id, row.checkpoint_name) for row in rows}
