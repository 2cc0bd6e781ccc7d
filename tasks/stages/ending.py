"""Whether a task has anything left to do."""

from __future__ import annotations

from sqlalchemy import exists, select, update
from sqlmodel import Session

from tasks.lifecycles import TaskEvent
from tasks.statuses import JobStatus
from tasks.store.books import wake
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import DATASET, JOB, JOB_ALIVE, TASK
from tasks.store.topics import Topic
from tasks.tables.columns import db_now


def has_active_jobs(session: Session, task_id: int) -> bool:
    """Whether some job of the task has not ended."""
    return bool(session.connection().execute(
        select(exists().where(JOB.c.task_id == task_id, JOB_ALIVE))
    ).scalar())  # fmt: skip


def is_all_processed(session: Session, task_id: int) -> bool:
    """Whether no input is ready or to come and no job is alive."""
    ready = exists().where(
        DATASET.c.task_id == task_id,
        DATASET.c.is_primary,
        DATASET.c.n_files_used < DATASET.c.n_files,
    )
    is_open = exists().where(TASK.c.id == task_id, TASK.c.input_open)
    waiting = session.connection().execute(select(ready, is_open)).one()
    return not any(waiting) and not has_active_jobs(session, task_id)


def roll_up(session: Session, task_id: int, why: Why) -> None:
    """Report `all_processed` for a task that has nothing left; if it has only output to be
    merged, have that looked at.
    """
    if is_all_processed(session, task_id):
        move_tasks(session, [task_id], TaskEvent.ALL_PROCESSED, why)
    else:
        look_at_merges(session, task_id)


def look_at_merges(session: Session, task_id: int) -> None:
    """Have it looked at whether output can be merged, if some of the task's waits for that."""
    waits = exists().where(
        JOB.c.task_id == task_id, JOB_ALIVE, JOB.c.status == str(JobStatus.MERGING)
    )
    moved = session.connection().execute(
        update(TASK).where(TASK.c.id == task_id, waits).values(merge_at=db_now())
    )
    if moved.rowcount:
        wake(session, Topic.MERGE_DUE)
