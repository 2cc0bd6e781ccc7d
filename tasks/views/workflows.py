"""Workflows and the instances of their steps, as their owners see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.workflow_runs import StepList, StepView, WorkflowList, WorkflowView
from tasks.lifecycles import WORKFLOW as MACHINE
from tasks.statuses import StepStatus, WorkflowStatus
from tasks.store.bulk import id_in
from tasks.store.tables import STEP, TASK, WORKFLOW
from tasks.views.shown import like, moment, moment_or_none, page


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFilter:
    """Which workflows a list shows; `before` is the id under which the page starts."""

    statuses: tuple[WorkflowStatus, ...] = ()
    user: str | None = None
    name: str = ""
    limit: int = 100
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFilter:
    """Which steps of a workflow a page shows; it starts above the id `after`."""

    workflow_id: int
    statuses: tuple[StepStatus, ...] = ()
    limit: int = 1000
    after: int = 0


def workflow_view(session: Session, workflow_id: int) -> WorkflowView:
    """One workflow with its steps counted by status.

    Raises:
        NotFound: there is no such workflow.
    """
    query = select(WORKFLOW).where(WORKFLOW.c.id == workflow_id)
    row = session.connection().execute(query).first()
    if row is None:
        raise NotFound(f"no workflow {workflow_id}")
    return _view(row, _counts(session, [workflow_id])[workflow_id])


def workflow_list(session: Session, wanted: WorkflowFilter) -> WorkflowList:
    """A page of workflows, newest first."""
    query = select(WORKFLOW).order_by(WORKFLOW.c.id.desc()).limit(wanted.limit + 1)
    if wanted.statuses:
        query = query.where(WORKFLOW.c.status.in_([str(status) for status in wanted.statuses]))
    if wanted.user is not None:
        query = query.where(WORKFLOW.c.user_name == wanted.user)
    if wanted.name:
        query = query.where(like(session, WORKFLOW.c.name, wanted.name))
    if wanted.before is not None:
        query = query.where(WORKFLOW.c.id < wanted.before)
    rows, last = page(session.connection().execute(query).all(), wanted.limit)
    counts = _counts(session, [row.id for row in rows])
    views = tuple(_view(row, counts[row.id]) for row in rows)
    return WorkflowList(workflows=views, next=last.id if last else None)


def workflow_version(session: Session, workflow_id: int) -> int | None:
    """The version of a workflow, which rises with what watchers care about; None: there is none."""
    found: int | None = _one(session, WORKFLOW.c.version, workflow_id)
    return found


def workflow_owner(session: Session, workflow_id: int) -> str | None:
    """The name of the workflow's owner; None if there is no such workflow."""
    found: str | None = _one(session, WORKFLOW.c.user_name, workflow_id)
    return found


def step_list(session: Session, wanted: StepFilter) -> StepList:
    """A page of the steps of a workflow, in order of their start."""
    query = (
        select(STEP, TASK.c.status.label("task_status"))
        .outerjoin(TASK, TASK.c.id == STEP.c.task_id)
        .where(STEP.c.workflow_id == wanted.workflow_id, STEP.c.id > wanted.after)
        .order_by(STEP.c.id).limit(wanted.limit + 1)
    )  # fmt: skip
    if wanted.statuses:
        query = query.where(STEP.c.status.in_([str(status) for status in wanted.statuses]))
    rows, last = page(session.connection().execute(query).all(), wanted.limit)
    return StepList(steps=tuple(map(_step, rows)), next=last.id if last else None)


def _one(session: Session, column: Any, workflow_id: int) -> Any:
    query = select(column).where(WORKFLOW.c.id == workflow_id)
    return session.connection().execute(query).scalar()


def _counts(session: Session, ids: Sequence[int]) -> Mapping[int, dict[str, int]]:
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    query = (
        select(STEP.c.workflow_id, STEP.c.status, func.count())
        .where(id_in(STEP.c.workflow_id, ids, session))
        .group_by(STEP.c.workflow_id, STEP.c.status)
    )
    for workflow_id, status, count in session.connection().execute(query):
        found[workflow_id][status] = count
    return found


def _view(row: Any, counts: dict[str, int]) -> WorkflowView:
    return WorkflowView(
        workflow_id=row.id,
        name=row.name,
        user=row.user_name,
        status=row.status,
        final=WorkflowStatus(row.status) in MACHINE.final,
        reason=row.reason,
        version=row.version,
        round=row.round,
        created_at=moment(row.created_at),
        modified_at=moment(row.modified_at),
        started_at=moment_or_none(row.started_at),
        ended_at=moment_or_none(row.ended_at),
        step_counts=counts,
        outputs=row.outputs or {},
    )


def _step(row: Any) -> StepView:
    return StepView(
        step_id=row.id,
        instance=row.instance,
        path=row.path,
        step=row.step,
        kind=row.kind,
        place=row.place,
        status=row.status,
        reason=row.reason,
        created_at=moment(row.created_at),
        ended_at=moment_or_none(row.ended_at),
        task_id=row.task_id,
        task_status=row.task_status or "",
        parents=tuple(row.parents),
        decision=row.outcome or {},
    )
