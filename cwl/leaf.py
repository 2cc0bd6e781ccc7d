"""A leaf of a run: one task, one junction, one tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cwl.endings import End, Ending, Where
from cwl.links import StepFault
from cwl.naming import instance_id
from cwl.outcomes import Failure, Outcome, Start, Status, Task
from cwl.plan import PARAMETER, Kind
from cwl.tasks import Surroundings, producers_of, task_of

if TYPE_CHECKING:
    from cwl.scope import Node


class Leaf:
    """An instance: it starts once, and ends as its outcome says."""

    __slots__ = ("_inputs", "_task", "_then", "_where", "id", "node", "status")

    def __init__(
        self,
        node: Node,
        inputs: Mapping[str, Any],
        where: Where,
        then: Callable[[Ending], None],
    ) -> None:
        self.node, self._inputs, self._where, self._then = node, inputs, where, then
        self.id = instance_id(where.number, node.step.name, where.suffix)
        self.status: Status | None = None
        self._task: Task | None = None

    def begin(self) -> None:
        """Give the start to the walk, or end at once if it can never run."""
        walk, step = self.node.scope.walk, self.node.step
        try:
            start = self._tool() if step.kind is Kind.TOOL else self._pseudo()
        except StepFault as fault:
            self._failed(str(fault))
            return
        walk.start(start, self._hear)

    def states(self) -> Iterator[tuple[str, str, str]]:
        """Path, id and state."""
        yield self._where.path, self.id, str(self.status) if self.status else "starting"

    def _tool(self) -> Start:
        return Start(
            id=self.id,
            path=self._where.path,
            step=self.node.step.name,
            kind=Kind.TOOL,
            place=self.node.step.place,
            tool=self.node.step.runs,
            inputs=self._inputs,
        )

    def _pseudo(self) -> Start:
        walk, step = self.node.scope.walk, self.node.step
        name = f"{walk.run.name}_{self.id}"
        around = Surroundings(
            producers=walk.producers, parameters=self._parameters(),
            iteration=self._where.iteration, files=walk.plan.files,
        )  # fmt: skip
        self._task = task_of(step.kind, name, self._inputs, around)
        walk.producers[name] = self._task
        self.node.promised = dict.fromkeys(step.outputs, name)
        prefix = len(walk.run.name) + 1
        parents = [made[prefix:] for made in producers_of(self._inputs, walk.producers)]
        return Start(
            id=self.id,
            path=self._where.path,
            step=step.name,
            kind=step.kind,
            place=step.place,
            parents=tuple(parents),
            beside=tuple(ident for ident in parents if walk.is_running(ident)),
            task=self._task,
            inputs=self._inputs,
        )

    def _parameters(self) -> dict[str, Any]:
        """The dictionary of the loop around, as the workflow that it stands in declares it."""
        given = self.node.scope.inputs
        return {n.removeprefix(PARAMETER): v for n, v in given.items() if n.startswith(PARAMETER)}

    def _hear(self, outcome: Outcome) -> None:
        if self.status in (Status.SUCCEEDED, Status.FAILED):
            return
        self.status = outcome.status
        if outcome.status is Status.FAILED:
            self._failed(outcome.reason or "it failed")
        elif outcome.status is Status.SUCCEEDED:
            self._then(Ending(End.DONE, self._values(outcome)))
        elif outcome.status is Status.PRODUCING:
            self.node.produces()

    def _values(self, outcome: Outcome) -> Mapping[str, Any]:
        step = self.node.step
        if self._task is None:
            return {name: outcome.outputs.get(name) for name in step.outputs}
        if step.kind is Kind.JUNCTION:
            return {name: outcome.outputs.get(name, self._task.name if name == "outDS" else None)
                    for name in step.outputs}  # fmt: skip
        return dict.fromkeys(step.outputs, self._task.name)

    def _failed(self, reason: str) -> None:
        self.status = Status.FAILED
        failure = Failure(
            path=self._where.path, place=self.node.step.place, reason=reason, id=self.id
        )
        self.node.scope.walk.failures.append(failure)
        self._then(Ending(End.FAILED, {}, reason, told=True))
