"""A step produces: steps that take from it may start beside it."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlmodel import Session

from tasks.lifecycles import StepEvent
from tasks.statuses import StepStatus
from tasks.store.bulk import one_of
from tasks.store.moves import Why, move_steps
from tasks.store.prepared import Prepared
from tasks.store.tables import STEP
from tasks.store.workflow_news import let_workflows_know


def first_output_came(session: Session, task_id: int) -> None:
    """Let the workflow of this task know, if it is of one that did not know yet."""
    ids = _UNTOLD.column(session, task_id=task_id)
    if ids:
        # The workflow first, as its agent does: else each could wait for the other.
        let_workflows_know(session, [task_id])
        move_steps(session, ids, StepEvent.OUTPUT_CAME, Why("collect"))


_UNTOLD = Prepared(
    select(STEP.c.id).where(
        STEP.c.task_id == bindparam("task_id"), one_of(STEP.c.status, [StepStatus.SUBMITTED])
    )
)
