"""Ids of instances: `003_merge`, `001_work_2` (branch or iteration 2), `001_work_1_0` (both).

The number is the step's place in the whole plan, sub-workflows unfolded, and not in the order in
which instances happen to start: so it is the same after every restart (documentation, 4.1.8:
`<outDS>_<number>_<step>_<output>`; decision 0009).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from cwl.plan import Kind, Plan, Workflow


class Numbers:
    """The numbers of the steps of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._count = cache(self._counted)
        self._offsets = cache(self._placed)

    def offset(self, workflow: str, step: str) -> int:
        """How many numbers of a workflow are taken by the steps before this one."""
        return self._offsets(workflow)[step]

    def _placed(self, workflow: str) -> Mapping[str, int]:
        found, taken = {}, 0
        for step in self._plan.workflows[workflow].steps:
            found[step.name] = taken
            taken += self._count(step.runs) if step.kind is Kind.WORKFLOW else 1
        return found

    def _counted(self, workflow: str) -> int:
        body: Workflow = self._plan.workflows[workflow]
        return sum(self._count(s.runs) if s.kind is Kind.WORKFLOW else 1 for s in body.steps)


def instance_id(number: int, step: str, suffix: tuple[int, ...]) -> str:
    """The id of an instance; `suffix` holds branches and iterations, the outermost first."""
    return "_".join((f"{number:03d}", step, *map(str, suffix)))
