"""A step in one branch: its expressions, its condition or its loop, then what it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cwl.conditions import is_true
from cwl.contents import with_contents
from cwl.endings import End, Ending, Where
from cwl.expressions import NoValue, Question, is_expression
from cwl.leaf import Leaf
from cwl.links import StepFault, gather
from cwl.naming import instance_id
from cwl.plan import Kind, Loop, NamedLink, OutputMethod

if TYPE_CHECKING:
    from cwl.scope import Node, Scope


class Unit:
    """A branch of a step (the only one, where nothing is scattered)."""

    __slots__ = ("_gathered", "_given", "_inputs", "_iteration", "_last", "_runs", "end", "index",
                 "node")  # fmt: skip

    def __init__(self, node: Node, index: int, given: dict[str, Any]) -> None:
        self.node, self.index, self._given = node, index, given
        self.end: End | None = None
        self._inputs: Mapping[str, Any] = {}
        self._iteration = 0
        self._last: Mapping[str, Any] = {}
        self._gathered: list[Mapping[str, Any]] = []
        self._runs: list[Leaf | Scope] = []

    @staticmethod
    def id_of(node: Node) -> str:
        """The id of the one task that a plain step is."""
        where = node.scope.where
        return instance_id(_number(node), node.step.name, where.suffix)

    def begin(self) -> None:
        """Work out the inputs, then go on."""
        links = [given for given in self.node.step.inputs if given.link.value_from is not None]
        self._evaluate(links, self._given, self._with_inputs)

    def states(self) -> Iterator[tuple[str, str, str]]:
        """Path, id and state of what it runs, or of itself if it runs nothing."""
        if not self._runs:
            yield self._path(None), "", str(self.end) if self.end else "waiting"
        for run in self._runs:
            yield from run.states()

    def _evaluate(
        self,
        links: list[NamedLink],
        values: dict[str, Any],
        then: Callable[[dict[str, Any]], None],
    ) -> None:
        """Replace values by those of their expressions; `inputs` in them are the values before."""
        walk = self.node.scope.walk
        before = dict(values)
        left = len(links)
        if not left:
            then(values)

        def take(name: str, value: Any) -> None:
            nonlocal left
            if isinstance(value, NoValue):
                self._over(Ending(End.FAILED, {}, f"{name}: {value.reason}"))
                return
            values[name] = value
            left -= 1
            if not left:
                then(values)

        for given in links:
            about = before.get(given.name)
            if given.link.load_contents:
                try:
                    about = with_contents(about, walk.plan.files)
                except StepFault as fault:
                    self._over(Ending(End.FAILED, {}, f"{given.name}: {fault}"))
                    return
            question = Question(given.link.value_from or "", before, about, self.node.step.scripts)
            walk.ask(question, partial(take, given.name))

    def _with_inputs(self, inputs: Mapping[str, Any]) -> None:
        self._inputs = inputs
        if self.node.step.when:
            self._condition(self.node.step.when, self._decide)
        else:
            self._go()

    def _go(self) -> None:
        """Run, or begin the next iteration."""
        loop = self.node.step.loop
        if loop is None:
            self._run(self._inputs, None)
        else:
            self._condition(loop.continue_when, self._iterate)

    def _again(self, inputs: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._go()

    def _condition(self, expression: str, then: Callable[[bool], None]) -> None:
        """Whether a condition holds, as this plan takes values for true."""

        def take(value: Any) -> None:
            if isinstance(value, NoValue):
                self._over(Ending(End.FAILED, {}, f"when: {value.reason}"))
            elif self.node.scope.walk.plan.lenient:
                then(is_true(value))
            elif isinstance(value, bool):
                then(value)
            else:
                words = f"when: {expression} gives {value!r:.60}, not true or false"
                self._over(Ending(End.FAILED, {}, words))

        if not expression:
            take(True)
        elif not is_expression(expression):
            take(NoValue(f"{expression!r:.60} is no expression"))
        else:
            question = Question(expression, self._inputs, None, self.node.step.scripts)
            self.node.scope.walk.ask(question, take)

    def _decide(self, holds: bool) -> None:
        if not holds and not self.node.scope.walk.assume:
            self._over(Ending(End.SKIPPED, {}, "its condition does not hold"))
            return
        if not holds:
            # It runs if its parents fail: then they give it nothing.
            linked = {given.name for given in self.node.step.inputs if given.link.sources}
            self._inputs = {n: None if n in linked else v for n, v in self._inputs.items()}
        self._go()

    def _iterate(self, goes_on: bool) -> None:
        loop = self._loop()
        if not goes_on:
            self._over(self._loop_ending(loop))
        elif self._iteration >= loop.max_iterations:
            words = f"it did not end within {loop.max_iterations} iterations"
            self._over(Ending(End.FAILED, {}, f"{self._path(None)}: {words}"))
        else:
            self._runs = []  # of a loop, the last iteration is what there is to see
            self._run(self._inputs, self._iteration)

    def _iterated(self, ending: Ending) -> None:
        if ending.end.is_bad:
            words = f"iteration {self._iteration}: {ending.reason}"
            self._over(Ending(End.FAILED, {}, words, told=ending.told))
            return
        loop = self._loop()
        self._last = ending.values
        if loop.output_method is OutputMethod.ALL:
            self._gathered.append(ending.values)
        self._iteration += 1
        try:
            carried = {c.name: gather(c.link, ending.values.get) for c in loop.carry}
        except StepFault as fault:
            self._over(Ending(End.FAILED, {}, str(fault)))
            return
        links = [carry for carry in loop.carry if carry.link.value_from is not None]
        self._evaluate(links, {**self._inputs, **carried}, self._again)

    def _loop_ending(self, loop: Loop) -> Ending:
        names = self.node.step.outputs
        if loop.output_method is OutputMethod.ALL:
            values = {n: [one.get(n) for one in self._gathered] for n in names}
            return Ending(End.DONE if self._iteration else End.SKIPPED, values)
        return Ending(End.DONE if self._iteration else End.SKIPPED, self._last)

    def _run(self, inputs: Mapping[str, Any], iteration: int | None) -> None:
        scope, step = self.node.scope, self.node.step
        where = Where(
            path=self._path(iteration),
            suffix=self._suffix(iteration),
            number=_number(self.node),
            iteration=scope.where.iteration if iteration is None else iteration,
        )
        then = self._over if iteration is None else self._iterated
        if step.kind is Kind.WORKFLOW:
            inside = Where(f"{where.path}/", where.suffix, where.number, where.iteration)
            try:
                self._runs.append(scope.walk.open(step.runs, inputs, inside, then))
            except StepFault as fault:
                self._over(Ending(End.FAILED, {}, str(fault)))
        else:
            leaf = Leaf(self.node, inputs, where, then)
            self._runs.append(leaf)
            leaf.begin()

    def _over(self, ending: Ending) -> None:
        if self.end is None:
            self.end = ending.end
            self.node.unit_ended(self, ending)

    def _loop(self) -> Loop:
        loop = self.node.step.loop
        assert loop is not None  # noqa: S101 - only loops iterate
        return loop

    def _path(self, iteration: int | None) -> str:
        branch = "" if self.node.step.scatter is None else f"[{self.index}]"
        return f"{self.node.path}{branch}" + ("" if iteration is None else f"#{iteration}")

    def _suffix(self, iteration: int | None) -> tuple[int, ...]:
        branch = () if self.node.step.scatter is None else (self.index,)
        return (
            *self.node.scope.where.suffix,
            *branch,
            *(() if iteration is None else (iteration,)),
        )


def _number(node: Node) -> int:
    scope = node.scope
    return scope.where.number + scope.walk.numbers.offset(scope.name, node.step.name)
