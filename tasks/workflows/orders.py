"""What the walk says to start → specifications of tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from culm.core.errors import InvalidRequest
from culm.wire.task_spec import TaskSpec
from cwl.outcomes import Start
from cwl.plan import Kind, Plan
from cwl.specifications import specification_of
from tasks.tagging import claims_of
from tasks.workflows.junctions import as_junction
from tasks.workflows.tools import tool_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """For whom tasks are made: the workflow's name, sandbox and plan, and whether its owner
    may choose a share.
    """

    user: str
    workflow: str
    sandbox: str | None
    may_claim: bool
    plan: Plan


def spec_of_start(start: Start, owner: Owner, parent_task_id: int | None) -> TaskSpec:
    """The specification of the task that an instance is; `parent_task_id` runs beside it.

    Raises:
        InvalidRequest: its options do not make a task.
    """
    if start.kind is Kind.TOOL:
        name = f"{owner.workflow}_{start.id}"
        return tool_spec(name, owner.plan, start, owner.sandbox)
    if start.task is None:
        raise InvalidRequest(f"{start.kind} is no task")
    spec = specification_of(start.kind, start.task, owner.sandbox)
    claimed = claims_of(spec)
    if claimed and not owner.may_claim:
        words = "only the production role may say whose share a task counts for"
        raise InvalidRequest(f"{', '.join(claimed)}: {words}")
    if start.kind is Kind.JUNCTION:
        spec = as_junction(spec)
    return replace(spec, parent_task_id=parent_task_id).check()
