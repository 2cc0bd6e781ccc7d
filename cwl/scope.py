"""A workflow that runs: its steps, what each waits for, and what it gives at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cwl.contents import with_contents
from cwl.endings import End, Ending, Where
from cwl.links import StepFault, branches, gather, nested
from cwl.outcomes import Failure
from cwl.plan import Input, Kind, Step
from cwl.unit import Unit

if TYPE_CHECKING:
    from cwl.walk import Walk


class Scope:
    """A workflow, once: the main one, a sub-workflow, a branch or an iteration of one."""

    __slots__ = ("_left", "_then", "inputs", "name", "nodes", "users", "walk", "where", "workflow")

    def __init__(
        self,
        walk: Walk,
        name: str,
        inputs: Mapping[str, Any],
        where: Where,
        then: Callable[[Ending], None],
    ) -> None:
        self.walk, self.name, self.where, self._then = walk, name, where, then
        self.workflow = walk.plan.workflows[name]
        self.inputs = {given.name: self._input(given, inputs) for given in self.workflow.inputs}
        self.nodes = {step.name: Node(self, step) for step in self.workflow.steps}
        self.users: dict[str, list[Node]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for parent in node.parents:
                self.users[parent].append(node)
        self._left = len(self.nodes)

    def begin(self) -> None:
        """Start what waits for nothing."""
        for node in self.nodes.values():
            self.walk.later(node.consider)
        if not self.nodes:
            self._finish()

    def value(self, source: str) -> Any:
        """The value of an input, or of a step's output; null if there is none."""
        step, _, output = source.rpartition("/")
        return self.nodes[step].values.get(output) if step else self.inputs.get(source)

    def moved(self, node: Node) -> None:
        """A step has output that others may take: they look whether they can start."""
        for user in self.users[node.step.name]:
            self.walk.later(user.consider)

    def ended(self, node: Node) -> None:
        """A step has ended."""
        self.moved(node)
        self._left -= 1
        if not self._left:
            self._finish()

    def states(self) -> Iterator[tuple[str, str, str]]:
        """Path, id and state of all that was reached below."""
        for node in self.nodes.values():
            yield from node.states()

    def _input(self, given: Input, inputs: Mapping[str, Any]) -> Any:
        value = inputs.get(given.name)
        value = given.default if value is None else value
        return with_contents(value, self.walk.plan.files) if given.load_contents else value

    def _finish(self) -> None:
        bad = [node for node in self.nodes.values() if node.is_bad and not self._is_caught(node)]
        try:
            values = {out.name: gather(out.link, self.value) for out in self.workflow.outputs}
        except StepFault as fault:
            values, reason = {}, str(fault)
            if not bad:
                self._then(Ending(End.FAILED, {}, reason))
                return
        if bad:
            first = next((node for node in bad if node.end is End.FAILED), bad[0])
            self._then(Ending(End.FAILED, {}, f"{first.step.name}: {first.reason}", told=True))
        else:
            self._then(Ending(End.DONE, values))

    def _is_caught(self, node: Node) -> bool:
        """Whether all that take from a failed step have a condition: then the failure is theirs."""
        users = self.users[node.step.name]
        return self.walk.plan.lenient and bool(users) and all(user.step.when for user in users)


class Node:
    """A step of a scope, with its branches."""

    __slots__ = (
        "_endings",
        "_left",
        "_lengths",
        "end",
        "parents",
        "promised",
        "reason",
        "scope",
        "started",
        "step",
        "units",
        "values",
    )  # fmt: skip

    def __init__(self, scope: Scope, step: Step) -> None:
        self.scope, self.step = scope, step
        sources = [source for given in step.inputs for source in given.link.sources]
        owners = (source.rpartition("/")[0] for source in sources)
        self.parents = tuple(dict.fromkeys(owner for owner in owners if owner))
        self.started = False
        self.end: End | None = None
        self.values: Mapping[str, Any] = {}
        self.promised: Mapping[str, Any] = {}
        self.reason = ""
        self.units: list[Unit] = []
        self._endings: list[Ending | None] = []
        self._lengths: list[int] | None = None
        self._left = 0

    @property
    def is_bad(self) -> bool:
        """Whether it ended without the output that it should have."""
        return self.end is not None and self.end.is_bad

    @property
    def path(self) -> str:
        """Where it is in the run."""
        return f"{self.scope.where.path}{self.step.name}"

    def consider(self) -> None:
        """Start, if all that it waits for is there; end, if it never can."""
        if self.started:
            return
        nodes = [self.scope.nodes[name] for name in self.parents]
        beside = self._beside(nodes)
        if not beside and any(node.end is None for node in nodes):
            return
        self.started = True
        if not beside and self._ends_without(nodes):
            return
        try:
            self._begin(self._early_value if beside else self.scope.value)
        except StepFault as fault:
            self._over(Ending(End.FAILED, {}, str(fault)))

    def produces(self) -> None:
        """The one task of this step has output that a child may take as it comes."""
        if self.end is None and not self.values:
            self.values = self.promised
            self.scope.moved(self)

    def unit_ended(self, unit: Unit, ending: Ending) -> None:
        """A branch has ended (or all of it, where nothing is scattered)."""
        self._endings[unit.index] = ending
        self._left -= 1
        if not self._left:
            self._over(self._together())

    def states(self) -> Iterator[tuple[str, str, str]]:
        """Path, id and state of it and of what is below."""
        if not self.units:
            yield self.path, "", str(self.end) if self.end else "waiting"
        for unit in self.units:
            yield from unit.states()

    def _beside(self, nodes: list[Node]) -> bool:
        """Whether it may run beside its parent (documentation, 4.1.8 "Simple task chain").

        A task without condition that takes from one task only may; so may one that did, before
        its parent failed and this walk was begun again.
        """
        if not (len(nodes) == 1 and _is_plain_task(self.step, Kind.PRUN, Kind.PHPO)):
            return False
        parent = nodes[0]
        if self.step.when or not _is_plain_task(parent.step, Kind.PRUN):
            return False
        if parent.end is None:
            return bool(parent.values)
        was_started = Unit.id_of(self) in self.scope.walk.outcomes
        return parent.end is End.FAILED and bool(parent.promised) and was_started

    def _ends_without(self, nodes: list[Node]) -> bool:
        """Whether it ends at once for what became of its parents."""
        lenient = self.scope.walk.plan.lenient
        bad = [node for node in nodes if node.is_bad]
        if bad and not (lenient and self.step.when):
            word = "failed" if bad[0].end is End.FAILED else "did not run"
            self._over(Ending(End.BLOCKED, {}, f"its parent {bad[0].step.name} {word}"))
            return True
        skipped = bool(nodes) and all(node.end is End.SKIPPED for node in nodes)
        if lenient and skipped and not self.step.when:
            self._over(Ending(End.SKIPPED, {}, f"its parent {nodes[0].step.name} was skipped"))
            return True
        return False

    def _early_value(self, source: str) -> Any:
        """The value of a source, of a step what it promised."""
        step, _, output = source.rpartition("/")
        return self.scope.nodes[step].promised.get(output) if step else self.scope.value(source)

    def _begin(self, value_of: Callable[[str], Any]) -> None:
        values = {given.name: gather(given.link, value_of) for given in self.step.inputs}
        if self.step.scatter is None:
            spread: list[dict[str, Any]] = [values]
        else:
            spread, self._lengths = branches(self.step.scatter, values)
        if not spread:
            self._over(self._together())
            return
        self._endings, self._left = [None] * len(spread), len(spread)
        self.units = [Unit(self, number, one) for number, one in enumerate(spread)]
        for unit in self.units:
            self.scope.walk.later(unit.begin)

    def _together(self) -> Ending:
        """What the branches come to: lists, in the order of the branches."""
        endings = [ending for ending in self._endings if ending is not None]
        if self._lengths is None:
            return endings[0]
        bad = [ending for ending in endings if ending.end.is_bad]
        if bad:
            number = next(i for i, e in enumerate(self._endings) if e is bad[0])
            words = f"{len(bad)} of {len(endings)} branches failed; {number}: {bad[0].reason}"
            return Ending(End.FAILED, {}, words, told=all(ending.told for ending in bad))
        if endings and all(ending.end is End.SKIPPED for ending in endings):
            end = End.SKIPPED
        else:
            end = End.DONE
        values = {
            name: nested([ending.values.get(name) for ending in endings], self._lengths)
            for name in self.step.outputs
        }
        return Ending(end, values)

    def _over(self, ending: Ending) -> None:
        self.end, self.values, self.reason = ending.end, ending.values, ending.reason
        if ending.end.is_bad and not ending.told:
            self.scope.walk.failures.append(
                Failure(
                    path=self.path,
                    place=self.step.place,
                    reason=ending.reason,
                    blocked=ending.end is End.BLOCKED,
                )
            )
        self.scope.ended(self)


def _is_plain_task(step: Step, *kinds: Kind) -> bool:
    return step.kind in kinds and step.scatter is None and step.loop is None
