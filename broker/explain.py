"""Why a task's jobs go nowhere: in words, "never" told from "not yet", and what would help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from broker.presets import GENERIC, Preset
from broker.ranking import Broker, concerned
from broker.remedies import Turned, turned
from broker.values import Demand, Queue, Rejection
from broker.view import View

_MOST_CHANGES = 5
_MOST_TRIED = 40


class Verdict(StrEnum):
    """Whether a demand is taken, and if not, whether waiting can help."""

    TAKEN = "taken"
    NOT_YET = "not yet"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many queues a rule refused, with the nearest of its offers as the example."""

    rule: str
    n_queues: int
    passes: bool
    example: Rejection


@dataclass(frozen=True, slots=True)
class Change:
    """Something to ask for instead, as words and as a demand, and the queues that would take it."""

    words: str
    demand: Demand
    queues: tuple[str, ...]

    def __str__(self) -> str:
        few = len(self.queues)
        who = f"queue {self.queues[0]}" if few == 1 else f"{few} queues"
        return f"{self.words}: then {who} would take it"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What hinders a demand. `changes` begin with the smallest; `waits_for` are the states that
    keep away queues which could take it as it is.
    """

    verdict: Verdict
    summary: str
    counts: tuple[RuleCount, ...]
    waits_for: tuple[Rejection, ...]
    changes: tuple[Change, ...]


def explain(
    demand: Demand, queues: Iterable[Queue], view: View | None = None, preset: Preset = GENERIC
) -> Explanation:
    """Why the queues take the demand or not, now and ever."""
    scene = _Scene(sorted(queues, key=lambda q: q.name), View() if view is None else view, preset)
    ranking = scene.broker.rank(demand)
    counts = count_by_rule(ranking.rejections)
    n_queues = len(scene.queues)
    if ranking.ranked:
        words = f"{len(ranking.ranked)} of {n_queues} queues take it"
        return Explanation(Verdict.TAKEN, words, counts, (), ())
    able = set(scene.able(demand))
    waits_for = tuple(r for r in ranking.rejections if r.queue in able)
    # What would be taken now is of more use than what might be later, if there is such.
    changes = _changes(demand, scene, scene.now if able else scene.able)
    summary = _summary(n_queues, waits_for, changes)
    verdict = Verdict.NOT_YET if able else Verdict.NEVER
    return Explanation(verdict, summary, counts, waits_for, changes)


def count_by_rule(rejections: Sequence[Rejection]) -> tuple[RuleCount, ...]:
    """Rejections grouped by rule, the rule that refused the most queues first."""
    groups: dict[str, list[Rejection]] = {}
    for rejection in rejections:
        groups.setdefault(rejection.rule, []).append(rejection)
    counts = [
        RuleCount(rule, len(group), group[0].passes, min(group, key=_distance))
        for rule, group in groups.items()
    ]
    return tuple(sorted(counts, key=lambda c: (-c.n_queues, c.rule)))


class _Scene:
    """The queues to ask again and again, with demands changed."""

    def __init__(self, queues: Sequence[Queue], view: View, preset: Preset) -> None:
        self.queues = queues
        self.broker = Broker(queues, view, replace(preset, best=None))
        self._view = view
        self._rules = [rule for rule in preset.filters if not rule.passes]

    def lasting(self, demand: Demand, queue: Queue) -> list[Rejection]:
        """All refusals of a queue that waiting does not change, not only the first."""
        return [
            rule.rejection(queue, no)
            for rule in concerned(self._rules, demand, self._view)
            if rule.applies(queue) and (no := rule.refuse(demand, queue, self._view)) is not None
        ]

    def able(self, demand: Demand) -> list[str]:
        """The queues that take the demand when the time has come."""
        return [queue.name for queue in self.queues if not self.lasting(demand, queue)]

    def now(self, demand: Demand) -> list[str]:
        """The queues that take the demand now."""
        return [ranked.queue for ranked in self.broker.rank(demand).ranked]


def _changes(
    demand: Demand, scene: _Scene, takers: Callable[[Demand], list[str]]
) -> tuple[Change, ...]:
    """What to ask for instead: as few changes at once as can be, the smallest first."""
    ways: dict[tuple[str, ...], list[tuple[Turned, ...]]] = {}
    for queue in scene.queues:
        way = turned(demand, queue, scene.lasting(demand, queue))
        if way:
            ways.setdefault(tuple(sorted(turn.knob for turn in way)), []).append(way)
    for n_knobs in sorted({len(knobs) for knobs in ways}):
        found = [
            change
            for knobs, several in ways.items()
            if len(knobs) == n_knobs
            for change in _best_of(several, takers)
        ]
        if found:
            found.sort(key=lambda sized: sized[0])
            return tuple(change for _, change in found[:_MOST_CHANGES])
    return ()


def _best_of(
    ways: list[tuple[Turned, ...]], takers: Callable[[Demand], list[str]]
) -> list[tuple[float, Change]]:
    """Of the same knobs turned more or less: the least that helps, and what helps the most."""
    helping: list[tuple[float, Change]] = []
    seen: set[str] = set()
    for way in sorted(ways, key=_size):
        words = " and ".join(turn.words for turn in way)
        if words in seen or len(seen) >= _MOST_TRIED:
            continue
        seen.add(words)
        then = takers(way[-1].demand)
        if then and (not helping or len(then) > len(helping[-1][1].queues)):
            helping.append((_size(way), Change(words, way[-1].demand, tuple(then))))
    return helping if len(helping) < 2 else [helping[0], helping[-1]]


def _size(way: tuple[Turned, ...]) -> float:
    return sum(turn.size for turn in way)


def _distance(rejection: Rejection) -> float:
    if rejection.offered is None or rejection.needed is None:
        return 0.0
    return abs(rejection.needed - rejection.offered)


def _summary(n_queues: int, waits_for: Sequence[Rejection], changes: Sequence[Change]) -> str:
    if n_queues == 0:
        return "there is no queue"
    if waits_for:
        first = waits_for[0]
        words = f"no queue takes it now, {len(waits_for)} of {n_queues} may later"
        return f"{words} (queue {first.queue}: {first.reason})"
    words = f"none of the {n_queues} queues can ever take it as it is"
    return f"{words}; {changes[0]}" if changes else words
