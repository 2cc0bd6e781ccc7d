"""What the walk says to start → specifications of tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from culm.client.prun import Prun, specification
from culm.core.errors import InvalidRequest
from culm.wire.codec import decode, encode
from culm.wire.task_spec import TaskSpec
from cwl.outcomes import Start
from cwl.plan import Kind, Plan
from tasks.tagging import claims_of
from tasks.workflows.junctions import as_junction
from tasks.workflows.tools import tool_spec

NOT_HERE = {
    Kind.PHPO: "searches (run: phpo) cannot run in a workflow yet",
}
"""Kinds of steps that are understood, and not carried out here."""


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
        InvalidRequest: its options do not make a task, or its kind cannot run here.
    """
    if start.kind is Kind.TOOL:
        name = f"{owner.workflow}_{start.id}"
        return tool_spec(name, owner.plan, start, owner.sandbox)
    if start.kind in NOT_HERE or start.task is None:
        raise InvalidRequest(NOT_HERE.get(start.kind, f"{start.kind} is no task"))
    try:
        options = Prun(**start.task.options)
    except TypeError as error:
        raise InvalidRequest(f"its options make no task: {error}") from error
    sandbox = None if options.no_sandbox else owner.sandbox
    spec = specification(options, start.task.name, sandbox)
    claimed = claims_of(spec)
    if claimed and not owner.may_claim:
        words = "only the production role may say whose share a task counts for"
        raise InvalidRequest(f"{', '.join(claimed)}: {words}")
    if start.kind is Kind.JUNCTION:
        spec = as_junction(spec)
    return decode(
        TaskSpec, encode(replace(spec, parent_task_id=parent_task_id)), "the task"
    ).check()
