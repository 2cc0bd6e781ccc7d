"""What the walk says to start → specifications of tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from culm.core.errors import InvalidRequest, NotAllowed
from culm.wire.task_spec import TaskSpec
from cwl.outcomes import Start
from cwl.plan import Kind, Plan
from cwl.specifications import specification_of
from tasks.share_rights import ShareRights
from tasks.workflows.junctions import as_junction
from tasks.workflows.tools import tool_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """For whom tasks are made: the workflow's name, sandbox and plan, and what its owner may say
    of shares.
    """

    user: str
    workflow: str
    sandbox: str | None
    rights: ShareRights
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
    try:
        owner.rights.check(spec)
    except NotAllowed as error:
        raise InvalidRequest(error.message, hint=error.hint) from error
    if start.kind is Kind.JUNCTION:
        spec = as_junction(spec)
    spec = owner.rights.with_organisation(spec)
    return replace(spec, parent_task_id=parent_task_id).check()
