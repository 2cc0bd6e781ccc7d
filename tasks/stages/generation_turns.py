"""Whose jobs are generated next."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlmodel import Session

from tasks.stages.place_waits import sleepers
from tasks.stages.run_times import DUE
from tasks.stages.select import in_status
from tasks.statuses import TaskStatus
from tasks.store.bulk import id_in
from tasks.store.tables import DATASET, TASK
from tasks.tables.columns import db_now


def due_tasks(
    session: Session, limit: int, task_ids: Sequence[int] | None
) -> list[tuple[int, str]]:
    """Tasks that are due: the first of each partition, then the second of each, …

    In a partition the highest priority goes first, and of one priority short work before long
    work, within bounds (`broker.order`).
    """
    partition = (TASK.c.share_name, TASK.c.resource_type)
    in_order = (TASK.c.priority.desc(), DUE, TASK.c.id)
    turn = func.row_number().over(partition_by=partition, order_by=in_order)
    resting = sleepers(session, task_ids)
    statement = select(TASK.c.id, TASK.c.name).where(_DUE)
    if task_ids is not None:
        statement = statement.where(id_in(TASK.c.id, task_ids, session))
    if resting.asleep:
        statement = statement.where(~id_in(TASK.c.id, resting.asleep, session))
    most = limit + len(resting.awake)
    rows = session.connection().execute(statement.order_by(turn, *in_order).limit(most))
    return resting.choose(((row.id, row.name) for row in rows), limit)


def _due() -> ColumnElement[bool]:
    unused = exists().where(
        DATASET.c.task_id == TASK.c.id,
        DATASET.c.is_primary,
        DATASET.c.n_files_used < DATASET.c.n_files,
    )
    free = TASK.c.next_look_at.is_(None)
    not_held = or_(free, TASK.c.next_look_at <= db_now())
    return or_(
        and_(in_status(TaskStatus.READY), not_held),
        and_(in_status(TaskStatus.RUNNING, TaskStatus.SCOUTED), not_held, unused),
        # The scout stage clears the time when there is a scout to be tried again.
        and_(in_status(TaskStatus.SCOUTING), free, unused),
        # Pending without a time waits for its input: feed will move it.
        and_(in_status(TaskStatus.PENDING), TASK.c.next_look_at <= db_now(), unused),
    )


_DUE = _due()
