"""Junctions: small tasks whose job a pilot runs, and whose decision comes with its report.

The user's command never runs in a process of ours. What it writes reaches the books as the user
metadata of its job (documentation, 4.1.2 FAQ), so that nobody has to fetch a file from storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from culm.core.errors import InvalidRequest
from culm.wire.task_spec import TaskSpec
from cwl.junctions import decision
from cwl.plan import Kind, Plan
from cwl.pseudo_tools import RESULTS
from tasks.lifecycles import StepEvent
from tasks.workflows.rows import StepRow
from tasks.workflows.words import words_of

_METADATA = "userJobMetadata.json"


def as_junction(spec: TaskSpec) -> TaskSpec:
    """The specification with one job, which hands in what its command decided."""
    command = f"({spec.command}\n) && cp {RESULTS} {_METADATA}"
    return replace(spec, command=command, n_jobs=1, n_files_per_job=None, skip_scouts=True)


def take_decisions(plan: Plan, junctions: Iterable[StepRow], left: Mapping[int, str]) -> None:
    """Let junctions whose tasks succeeded decide, or fail with what is wrong, in words."""
    for row in junctions:
        if row.event is not StepEvent.SUCCEEDED:
            row.reason = row.reason.replace(_METADATA, RESULTS)
            continue
        document = left.get(row.task_id or 0, "")
        try:
            row.decision = decision(document.encode(), _outputs(plan, row))
        except InvalidRequest as error:
            row.fail(f"{RESULTS} of task {row.task_id}: {words_of(error)}")


def _outputs(plan: Plan, row: StepRow) -> list[str]:
    """The outputs of a junction's step: where workflows share it, all that it has in any."""
    found: dict[str, Any] = {}
    for workflow in plan.workflows.values():
        for step in workflow.steps:
            if (step.kind, step.name, step.place) == (Kind.JUNCTION, row.step, row.place):
                found |= dict.fromkeys(step.outputs)
    return list(found)
