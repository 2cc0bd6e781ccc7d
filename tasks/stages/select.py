"""The candidates of stages: indexed looks at the tasks that are alive."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Integer, bindparam, select
from sqlmodel import Session, col
from sqlmodel import select as model_select

from tasks.stages.stage import Candidates
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.bulk import FRESH, ids_among, one_of
from tasks.store.prepared import Prepared
from tasks.store.tables import TASK
from tasks.tables import Dataset


def tasks_where(*conditions: ColumnElement[bool]) -> Candidates:
    """Candidates by conditions on the task, oldest first."""
    ready = select(TASK.c.id, TASK.c.name).where(*conditions).order_by(TASK.c.id)
    ready = ready.limit(bindparam("limit", type_=Integer))
    every, among = Prepared(ready), Prepared(ready.where(ids_among(TASK.c.id)))

    def candidates(
        session: Session, limit: int, task_ids: Sequence[int] | None
    ) -> list[tuple[int, str]]:
        if task_ids is None:
            rows = every.rows(session, limit=limit)
        else:
            rows = among.rows(session, limit=limit, ids=list(task_ids))
        return [(task_id, name) for task_id, name in rows]

    return candidates


def in_status(*statuses: TaskStatus) -> ColumnElement[bool]:
    """The task is in one of these statuses."""
    return one_of(TASK.c.status, statuses)


def datasets_of(session: Session, task_id: int, *kinds: DatasetKind) -> list[Dataset]:
    """The datasets of a task (of these kinds, if any are given), the primary ones first."""
    statement = model_select(Dataset).where(Dataset.task_id == task_id)
    if kinds:
        statement = statement.where(col(Dataset.kind).in_([str(kind) for kind in kinds]))
    statement = statement.order_by(col(Dataset.is_primary).desc(), col(Dataset.id))
    return list(session.exec(statement, execution_options=FRESH))
