"""Priorities of new jobs, and of those that wait: they rise, so that nothing starves."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session

from broker.priority import CEILING, PERIOD_SECONDS, aged, of_user_job
from culm.wire.task_spec import USER_ACTIVITY
from tasks.store.books import Books
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_ALIVE, JOB_WAITING, TASK
from tasks.tables import Task
from tasks.tables.columns import db_now
from tasks.thresholds import Timeouts

MOST_COUNTED = 50_000
"""An owner's active jobs are counted up to here: more make no difference to anybody else."""
JOBS_A_BATCH = 5000


def priorities_of(session: Session, task: Task, n_jobs: int) -> list[int]:
    """The priorities of the next jobs of a task: falling with what its owner has active, if it
    is somebody's own work; else the task's.
    """
    if task.activity != USER_ACTIVITY:
        return [task.priority] * n_jobs
    n_active = _n_active(session, task)
    return [of_user_job(task.priority, n_active, number) for number in range(n_jobs)]


def _n_active(session: Session, task: Task) -> int:
    """The unfinished jobs of the task's owner; those for a group are the group's."""
    whose = TASK.c.working_group == task.working_group
    if not task.working_group:
        whose &= TASK.c.user_name == task.user_name
    some = (
        select(JOB.c.id)
        .join(TASK, TASK.c.id == JOB.c.task_id)
        .where(whose, JOB_ALIVE)
        .limit(MOST_COUNTED)
    )
    return int(session.connection().execute(
        select(func.count()).select_from(some.subquery())
    ).scalar_one())  # fmt: skip


_RAISE = (
    update(JOB)
    .where(JOB.c.id == bindparam("job"), JOB.c.priority == bindparam("seen"), JOB_WAITING)
    .values(priority=bindparam("risen"))
)


_WAITING = (
    select(JOB.c.id, JOB.c.priority, JOB.c.created_at)
    .where(JOB_WAITING, JOB.c.priority < CEILING, JOB.c.created_at <= db_now(-PERIOD_SECONDS))
    .execution_options(stream_results=True, yield_per=JOBS_A_BATCH)
)


def age_priorities(books: Books) -> str:
    """Raise the priorities of jobs that have waited for a period or more.

    One pass that only reads; what rises is written batch by batch, so that nobody waits long.
    """
    n_raised = 0
    with books.read() as reading:
        deadline = values(reading).of(Timeouts).activated_seconds
        now = database_time(reading)
        for some in reading.connection().execute(_WAITING).partitions():
            risen = [
                {"job": i, "seen": priority,
                 "risen": aged(priority, (now - created_at).total_seconds(), deadline)}
                for i, priority, created_at in some
            ]  # fmt: skip
            with books.write() as session:
                session.connection().execute(_RAISE, risen)
            n_raised += len(risen)
    return f"{n_raised} jobs that wait rose in priority" if n_raised else ""
