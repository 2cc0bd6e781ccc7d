"""A rule of brokerage: why a queue does not take a demand, in words and numbers, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from broker.thresholds import Thresholds
from broker.values import Demand, Queue, Rejection
from broker.view import View


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why: a reason in words, and what was offered and needed where it is a matter of numbers.

    The queue would do if `needed` were at most `offered`: a limit and what is asked for or there
    (or at least, where the queue has a least number of cores or memory).
    """

    reason: str
    offered: float | None = None
    needed: float | None = None
    unit: str = ""


Refuse = Callable[[Demand, Queue, View], Refusal | None]
Concerns = Callable[[Demand, Thresholds], bool]
AppliesTo = Callable[[Queue], bool]


def every_demand(_: Demand, __: Thresholds) -> bool:
    """A rule concerns all demands unless it says otherwise."""
    return True


def every_queue(_: Queue) -> bool:
    """A rule applies to all queues unless it says otherwise."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One filter. `number` is its place in the list of spec and documentation (0: a plugin).

    `concerns` is asked once for each demand and `applies` once for each queue of a view: a rule
    that can refuse none of the one or the other is not run on it. `passes` says that what it
    looks at is a state, which waiting may change.
    """

    name: str
    number: int
    refuse: Refuse
    concerns: Concerns = every_demand
    applies: AppliesTo = every_queue
    passes: bool = False

    def rejection(self, queue: Queue, no: Refusal) -> Rejection:
        """The refusal of a queue by this rule, as a value that can be kept."""
        return Rejection(
            queue.name, self.name, no.reason, no.offered, no.needed, no.unit, self.passes
        )


def rule(
    number: int,
    *,
    concerns: Concerns = every_demand,
    applies: AppliesTo = every_queue,
    passes: bool = False,
) -> Callable[[Refuse], Rule]:
    """A decorator: the function below it becomes a rule under its own name."""

    def made(refuse: Refuse) -> Rule:
        return Rule(
            name=getattr(refuse, "__name__", ""),
            number=number,
            refuse=refuse,
            concerns=concerns,
            applies=applies,
            passes=passes,
        )

    return made


def at_most(needed: float, offered: float | None, unit: str) -> Refusal | None:
    """A refusal if more is needed than is offered; None offers without limit."""
    return None if offered is None or needed <= offered else too_little(needed, offered, unit)


def too_little(needed: float, offered: float, unit: str) -> Refusal:
    """The refusal of a queue that offers less than is needed."""
    words = f"it offers {shown(offered)} {unit}, {shown(needed)} needed"
    return Refusal(words, offered, needed, unit)


def shown(number: float) -> str:
    """A number for people: whole, or with one or two digits behind the point if it is small."""
    if abs(number) >= 100 or number == int(number):
        return f"{number:.0f}"
    return f"{number:.2f}".rstrip("0").rstrip(".")
