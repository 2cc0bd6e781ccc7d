"""What a workflow's agent is told of its tasks: that one ended, that the first output came.

The mark is on the workflow's row and written in the transaction that makes the news: none is
lost, and the agent looks at no workflow that has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlmodel import Session

from tasks.store.books import wake
from tasks.store.bulk import ids_among
from tasks.store.prepared import Prepared
from tasks.store.tables import STEP, WORKFLOW
from tasks.store.topics import Topic


def let_workflows_know(session: Session, task_ids: Sequence[int]) -> None:
    """Have the workflows of these tasks, if they are of any, looked at."""
    if task_ids and _MARK.change(session, ids=list(task_ids)):
        wake(session, Topic.WORKFLOW_DUE)


_OF_TASKS = select(STEP.c.workflow_id).where(ids_among(STEP.c.task_id))
_MARK = Prepared(
    update(WORKFLOW).where(WORKFLOW.c.id.in_(_OF_TASKS))
    .values(news=WORKFLOW.c.news + 1, version=WORKFLOW.c.version + 1)
)  # fmt: skip
