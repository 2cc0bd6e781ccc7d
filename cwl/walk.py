"""The walk through a plan: told what became of instances, it says which ones start next.

It holds nothing that cannot be had again from plan, inputs and outcomes: a walk that is told all
outcomes at once comes to where one is that was told them as they came. Instances are never
started twice, and their ids are the same each time.

All moves go through one queue, never through the stack: a chain of ten thousand is no deeper than
one of two. Expressions are collected and answered together whenever nothing else can move.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cwl.endings import Ending, Where
from cwl.expressions import Answers, Question
from cwl.naming import Numbers
from cwl.outcomes import Failure, Outcome, Start, Status, Task
from cwl.plan import MAIN, Plan
from cwl.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a plan is run with: its inputs, and the base of the names of datasets (`--outDS`)."""

    inputs: Mapping[str, Any]
    name: str


class Walk:
    """A run of a plan, as far as it has come.

    What ended stays ended: to try again what failed, begin a new walk and leave out the outcomes
    of what failed. With `assume` every condition is taken to hold: for a look at all that may run.
    """

    def __init__(
        self,
        plan: Plan,
        run: Run,
        answer: Answers,
        *,
        assume: bool = False,
    ) -> None:
        self.plan, self.run, self.assume = plan, run, assume
        self.numbers = Numbers(plan)
        self.outcomes: dict[str, Outcome] = {}
        self.producers: dict[str, Task] = {}
        self.failures: list[Failure] = []
        self.ending: Ending | None = None
        self._answer = answer
        self._queue: deque[Callable[[], None]] = deque()
        self._questions: list[tuple[Question, Callable[[Any], None]]] = []
        self._listeners: dict[str, Callable[[Outcome], None]] = {}
        self._starts: list[Start] = []
        self.root = self.open(MAIN, run.inputs, Where(), self._end)

    def advance(self, outcomes: Mapping[str, Outcome] | None = None) -> tuple[Start, ...]:
        """What can start now, given these outcomes too (by id), beside all that was told before.

        An instance that has an outcome was started: it is not given again.
        """
        for ident, outcome in (outcomes or {}).items():
            if _is_news(self.outcomes.get(ident), outcome):
                self.outcomes[ident] = outcome
                if ident in self._listeners:
                    self.later(partial(self._listeners[ident], outcome))
        self._settle()
        starts, self._starts = self._starts, []
        return tuple(starts)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.ending is not None

    def states(self) -> Iterator[tuple[str, str, str]]:
        """Path, id (empty for what is no task) and state of everything that was reached."""
        return self.root.states()

    # What scopes and steps use.

    def later(self, move: Callable[[], None]) -> None:
        """Do this when its turn comes."""
        self._queue.append(move)

    def is_running(self, ident: str) -> bool:
        """Whether an instance was started and has not ended."""
        known = self.outcomes.get(ident)
        return known is not None and known.status not in (Status.SUCCEEDED, Status.FAILED)

    def open(
        self, workflow: str, inputs: Mapping[str, Any], where: Where, then: Callable[[Ending], None]
    ) -> Scope:
        """A workflow of the plan, begun with these inputs; `then` hears of its end."""
        scope = Scope(self, workflow, inputs, where, then)
        self.later(scope.begin)
        return scope

    def ask(self, question: Question, then: Callable[[Any], None]) -> None:
        """Have an expression answered, together with others; then go on with its value."""
        self._questions.append((question, then))

    def start(self, start: Start, listener: Callable[[Outcome], None]) -> None:
        """Start an instance, unless its outcome says that it was; tell the listener of outcomes."""
        self._listeners[start.id] = listener
        known = self.outcomes.get(start.id)
        if known is None:
            self._starts.append(start)
        else:
            self.later(partial(listener, known))

    def _end(self, ending: Ending) -> None:
        self.ending = ending

    def _settle(self) -> None:
        while self._queue or self._questions:
            while self._queue:
                self._queue.popleft()()
            self._answer_all()

    def _answer_all(self) -> None:
        asked, self._questions = self._questions, []
        if asked:
            values = self._answer([question for question, _ in asked])
            for (_, then), value in zip(asked, values, strict=True):
                self.later(partial(then, value))


_ORDER = (Status.STARTED, Status.PRODUCING, Status.SUCCEEDED, Status.FAILED)


def _is_news(known: Outcome | None, told: Outcome) -> bool:
    """Whether this goes further: what has ended stays so, nothing goes back."""
    if known is None:
        return True
    if known.status in (Status.SUCCEEDED, Status.FAILED):
        return False
    return _ORDER.index(told.status) > _ORDER.index(known.status)
