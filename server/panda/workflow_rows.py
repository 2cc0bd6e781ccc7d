"""Workflows as PanDA's client shows them: under the names of its own statuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from culm.wire.workflow_runs import StepView, WorkflowView
from culm.wire.workflows import StepAsRun
from server.panda.task_rows import Wanted, task_rows
from tasks.statuses import StepStatus as S
from tasks.statuses import WorkflowStatus as W
from tasks.views.workflows import StepFilter, step_list, workflow_view

_WORKFLOW = {
    W.REGISTERED: "registered", W.RUNNING: "running", W.PAUSED: "running", W.FINISHING: "running",
    W.ABORTING: "running", W.DONE: "done", W.FINISHED: "done", W.FAILED: "failed",
    W.ABORTED: "cancelled",
}  # fmt: skip
_STEP = {
    S.SUBMITTED: "running", S.PRODUCING: "running", S.WAITING: "pending", S.DONE: "done",
    S.FINISHED: "done", S.FAILED: "failed", S.ABORTED: "cancelled", S.UNUSED: "closed",
}  # fmt: skip
_OF_TASK = ("nfiles", "nfilesfinished", "nfilesfailed", "pctfinished", "pctfailed")
_NAMED = ("n_files", "n_files_finished", "n_files_failed", "pct_finished", "pct_failed")
MOST_STEPS = 10_000


def workflow_details(session: Session, workflow_id: int) -> dict[str, Any]:
    """A workflow with its steps and datasets; where our own status says more, the reason has it.

    Raises:
        NotFound: there is no such workflow.
    """
    view = workflow_view(session, workflow_id)
    steps = step_list(session, StepFilter(workflow_id=workflow_id, limit=MOST_STEPS)).steps
    numbers = {step.instance: step.step_id for step in steps}
    tasks = _tasks(session, view.user, steps)
    return {
        "workflow_id": view.workflow_id, "name": view.name, "user": view.user,
        "status": _WORKFLOW[W(view.status)], "parent_id": None, "submitted_as": "user",
        "reason": _reason(view.status, _WORKFLOW[W(view.status)], view.reason),
        "creation_time": view.created_at, "start_time": view.started_at,
        "end_time": view.ended_at,
        "steps": [_step(nr, step, numbers, tasks) for nr, step in enumerate(steps)],
        "data": [_data(name, value, view) for name, value in sorted(view.outputs.items())],
    }  # fmt: skip


def status_words(session: Session, workflow_id: int) -> str:
    """A workflow in some lines, for a terminal."""
    view = workflow_view(session, workflow_id)
    steps = step_list(session, StepFilter(workflow_id=workflow_id, limit=MOST_STEPS)).steps
    lines = [f"request_id={view.workflow_id} {view.name} {view.status}"]
    if view.reason:
        lines.append(f"  {view.reason}")
    for step in steps:
        task = f" jediTaskID={step.task_id} ({step.task_status})" if step.task_id else ""
        reason = f": {step.reason}" if step.reason else ""
        lines.append(f"  {step.path or step.step} [{step.kind}] {step.status}{task}{reason}")
    return "\n".join(lines)


def check_words(steps: Sequence[StepAsRun], n_steps: int, warnings: Sequence[str]) -> str:
    """What a check found: each step as it would run."""
    lines = [f"{n_steps} steps"]
    for step in steps:
        lines += [f"ID:{step.id}", f"  Name: {step.name}", f"  Type: {step.type}",
                  f"  Parent: {', '.join(step.parents) or '-'}"]  # fmt: skip
        lines += [f"  Condition: {step.when}"] if step.when else []
        lines += ["  Loop: it runs until a junction ends it"] if step.loop else []
        lines += [f"    {name}: {value}" for name, value in step.inputs.items()]
        lines.append(f"  Output: {', '.join(step.outputs) or '-'}")
    return "\n".join([*lines, *(f"warning: {words}" for words in warnings)])


def _tasks(session: Session, user: str, steps: Sequence[StepView]) -> dict[int, dict[str, Any]]:
    ids = "|".join(str(step.task_id) for step in steps if step.task_id)
    if not ids:
        return {}
    wanted = Wanted(owner=user, filters={"jediTaskID": ids}, limit=MOST_STEPS)
    return {row["jediTaskID"]: row for row in task_rows(session, wanted)}


def _step(
    number: int, step: StepView, numbers: dict[str, int], tasks: dict[int, dict[str, Any]]
) -> dict[str, Any]:
    status = _STEP[S(step.status)]
    task = tasks.get(step.task_id or 0)
    return {
        "step_id": step.step_id, "member_id": number, "name": step.path or step.step,
        "status": status, "flavor": "panda_task" if step.task_id else step.kind,
        "prod_source_label": task["prodSourceLabel"] if task else None,
        "target_id": str(step.task_id) if step.task_id else None,
        "parent_step_ids": [numbers[parent] for parent in step.parents if parent in numbers],
        "progress": dict(zip(_NAMED, (task[n] for n in _OF_TASK), strict=True)) if task else None,
        "reason": _reason(step.status, status, step.reason),
    }  # fmt: skip


def _reason(own: str, theirs: str, reason: str) -> str | None:
    """The reason, and our own status where PanDA has no word for it."""
    told = [own] if own != theirs and own not in ("aborted", "submitted") else []
    return ": ".join([*told, *([reason] if reason else [])]) or None


def _data(name: str, value: Any, view: WorkflowView) -> dict[str, Any]:
    return {
        "name": name, "status": "done" if view.final else "running", "type": "output",
        "target_id": value if isinstance(value, str) else str(value),
    }  # fmt: skip
