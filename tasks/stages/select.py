"""The candidates of stages: indexed looks at the tasks that are alive."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col
from sqlmodel import select as model_select

from tasks.stages.stage import Candidates
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.bulk import FRESH, id_in
from tasks.store.tables import TASK
from tasks.tables import Dataset


def tasks_where(*conditions: ColumnElement[bool]) -> Candidates:
    """Candidates by conditions on the task, oldest first."""

    def candidates(
        session: Session, limit: int, task_ids: Sequence[int] | None
    ) -> list[tuple[int, str]]:
        statement = select(TASK.c.id, TASK.c.name).where(*conditions)
        if task_ids is not None:
            statement = statement.where(id_in(TASK.c.id, task_ids, session))
        rows = session.connection().execute(statement.order_by(TASK.c.id).limit(limit))
        return [(row.id, row.name) for row in rows]

    return candidates


def in_status(*statuses: TaskStatus) -> ColumnElement[bool]:
    """The task is in one of these statuses."""
    return TASK.c.status.in_([str(status) for status in statuses])


def datasets_of(session: Session, task_id: int, *kinds: DatasetKind) -> list[Dataset]:
    """The datasets of a task (of these kinds, if any are given), the primary ones first."""
    statement = model_select(Dataset).where(Dataset.task_id == task_id)
    if kinds:
        statement = statement.where(col(Dataset.kind).in_([str(kind) for kind in kinds]))
    statement = statement.order_by(col(Dataset.is_primary).desc(), col(Dataset.id))
    return list(session.exec(statement, execution_options=FRESH))
