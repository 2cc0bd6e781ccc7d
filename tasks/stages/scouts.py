"""Whether a task has scouts, which of its jobs they are, and when they are looked at."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeGuard

from sqlalchemy import ColumnElement, delete, func, literal, select, true, update
from sqlmodel import Session

from culm.wire.codec import encode
from culm.wire.task_spec import TaskSpec
from tasks.scouting import FIRST_JOBS, N_SCOUTS, WORTH, Lesson
from tasks.specs import spec_of
from tasks.stages.asking import asked_by
from tasks.statuses import DatasetKind, JobStatus, TaskStatus
from tasks.store.bulk import one_of
from tasks.store.moves import database_time
from tasks.store.tables import DATASET, JOB, JOB_ALIVE, JOB_SERVES, SCOUTING, TASK
from tasks.tables import Task, TaskScouting
from tasks.tables.columns import db_now

LOGS = (str(DatasetKind.LOG), str(DatasetKind.TMPL_LOG))


class Phase(StrEnum):
    """How far a task's scouting is."""

    SCOUTING = "scouting"
    SCOUTED = "scouted"
    SETTLED = "settled"


def is_scouting(state: TaskScouting | None) -> TypeGuard[TaskScouting]:
    """Whether only scouts may be made now."""
    return state is not None and state.phase == Phase.SCOUTING


def worth_it(task: Task, spec: TaskSpec, n_jobs: int) -> bool:
    """Whether a task that is about to make so many new jobs should send scouts first.

    Scouts delay only a task that is big enough to use what they teach, and has not begun.
    """
    fresh = task.status in (TaskStatus.READY, TaskStatus.PENDING)
    skips = spec.skip_scouts or spec.search is not None
    return fresh and not skips and n_jobs > WORTH * N_SCOUTS


def begin_scouting(session: Session, task: Task, spec: TaskSpec) -> TaskScouting:
    """The state of a task whose next jobs are scouts."""
    finished = n_finished(session, task.id)
    state = TaskScouting(
        task_id=task.id, phase=Phase.SCOUTING, n_scouts=N_SCOUTS,
        first_sequence_nr=task.next_sequence_nr,
        # Half of the scouts finished: the first look (documentation, 15).
        look_at_finished=finished + -(-N_SCOUTS // 2),
        asked=encode(asked_by(spec)), lesson=encode(Lesson()), at=database_time(session),
    )  # fmt: skip
    session.add(state)
    session.flush()
    return state


def scouts_are_done(session: Session, state: TaskScouting) -> None:
    """The rest may follow; the next look is due when the first jobs after the scouts finished."""
    state.phase = Phase.SCOUTED
    state.look_at_finished = n_finished(session, state.task_id) + FIRST_JOBS
    session.add(state)
    session.flush()


def skip_scouts(session: Session, task_id: int) -> None:
    """The task goes on without scouts, or in spite of what they found (avalanche)."""
    state = session.get(TaskScouting, task_id, populate_existing=True)
    if state is not None:
        scouts_are_done(session, state)
    session.connection().execute(update(TASK).where(TASK.c.id == task_id).values(next_look_at=None))


def release(session: Session, task_id: int) -> None:
    """The task sends no scouts, or no more; what waits for a later look is looked at now."""
    task = session.get_one(Task, task_id, populate_existing=True)
    state = session.get(TaskScouting, task_id, populate_existing=True)
    if state is None and task.status != TaskStatus.RUNNING:
        spec = spec_of(session, task_id)
        state = begin_scouting(session, task, spec)
        state.n_scouts = 0
    if is_scouting(state):
        scouts_are_done(session, state)
    c = TASK.c
    session.connection().execute(
        update(TASK).where(c.id == task_id, c.next_look_at.is_not(None))
        .values(next_look_at=db_now())
    )  # fmt: skip


def forget_scouts(session: Session, task_id: int, *, only_unfinished: bool) -> None:
    """Let the task send scouts again if it is worth it; unless it is beyond that already."""
    c = SCOUTING.c
    phase = c.phase == str(Phase.SCOUTING) if only_unfinished else true()
    session.connection().execute(delete(SCOUTING).where(c.task_id == task_id, phase))
    session.expire_all()


def scouts_to_come(state: TaskScouting | None, task: Task) -> int:
    """How many scouts are not made yet."""
    if state is None:
        return 0
    return max(0, state.first_sequence_nr + state.n_scouts - task.next_sequence_nr)


def n_finished(session: Session, task_id: int) -> int:
    """How many jobs of a task have finished, but those that process no input."""
    return int(session.connection().execute(select(finished_of(literal(task_id)))).scalar_one())


def finished_of(task_id: ColumnElement[int]) -> ColumnElement[int]:
    """The same as part of a statement: each job has written one log, builds and merges too. What
    waits to be merged has finished as well.
    """
    # Said, not guessed: inside of two others, `task` would be joined in whole.
    logs = (
        select(func.coalesce(func.sum(DATASET.c.n_files_finished), 0))
        .where(DATASET.c.task_id == task_id, one_of(DATASET.c.kind, LOGS))
        .correlate(TASK)
        .scalar_subquery()
    )
    unmerged = (
        select(func.count())
        .select_from(JOB)
        .where(JOB.c.task_id == task_id, JOB_ALIVE, JOB.c.status == str(JobStatus.MERGING))
        .correlate(TASK)
        .scalar_subquery()
    )
    others = (
        select(func.count())
        .select_from(JOB)
        .where(JOB.c.task_id == task_id, JOB_SERVES, JOB.c.status == str(JobStatus.FINISHED))
        .correlate(TASK)
        .scalar_subquery()
    )
    return logs + unmerged - others
