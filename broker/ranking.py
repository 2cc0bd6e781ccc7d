"""Ranking: filters, then further filters and a weight for those left, then the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from operator import attrgetter

from broker.presets import GENERIC, Preset
from broker.rules import Rule
from broker.values import Demand, Queue, Ranked, Ranking, Rejection
from broker.view import View
from broker.weights.wait import Line, lane, lane_weight, line

_BY_NAME = attrgetter("name")
_BY_QUEUE = attrgetter("queue")
_BY_WEIGHT = attrgetter("weight")


def rank(
    demand: Demand, queues: Iterable[Queue], view: View | None = None, preset: Preset = GENERIC
) -> Ranking:
    """The queues that take the demand, best first, and why each of the others does not."""
    return Broker(queues, view, preset).rank(demand)


class Broker:
    """The queues of one view, made ready for many decisions.

    What the ledger of the view notes meanwhile counts at once.
    """

    def __init__(
        self,
        queues: Iterable[Queue],
        view: View | None = None,
        preset: Preset = GENERIC,
        lines: dict[str, Line] | None = None,
    ) -> None:
        """Make them ready. `lines` says how queues stand by the caller's own books, who may change
        it between decisions; queues that it lacks are put in as the view shows them.
        """
        self._view = View() if view is None else view
        self._preset = preset
        ordered = sorted(queues, key=_BY_NAME)
        self._groups = _alike(ordered, preset.filters)
        self._lines = {} if lines is None else lines
        if preset.fills:
            for queue in ordered:
                if queue.name not in self._lines:
                    self._lines[queue.name] = line(queue, self._view)

    def rank(self, demand: Demand) -> Ranking:
        """The queues that take the demand, best first, and why each of the others does not.

        The order of the queues does not matter: ties go by name. Queues beyond the best that the
        preset keeps are in neither list.
        """
        rejections: list[Rejection] = []
        taken: list[Queue] = []
        for rules, queues in self._groups:
            taken += self._sift(rules, demand, queues, rejections)
        if len(self._groups) > 1:
            taken.sort(key=_BY_NAME)
        if self._preset.prefers_pilots:
            taken = _manned(taken, self._view, rejections)
        taken = self._sift(self._preset.after, demand, taken, rejections)
        if self._preset.fills:
            ranked = self._by_wait(demand, taken)
        else:
            ranked = self._by_weight(demand, taken, rejections)
        # By name they are already, and sorting keeps what is equal in its order.
        ranked.sort(key=_BY_WEIGHT, reverse=True)
        rejections.sort(key=_BY_QUEUE)
        return Ranking(tuple(ranked[: self._preset.best]), tuple(rejections))

    def _sift(
        self,
        rules: Sequence[Rule],
        demand: Demand,
        queues: list[Queue],
        rejections: list[Rejection],
    ) -> list[Queue]:
        """The queues that no rule refuses; the others join the rejections."""
        view = self._view
        active = concerned(rules, demand, view)
        if not active:
            return queues
        taken = []
        for queue in queues:
            for rule in active:
                no = rule.refuse(demand, queue, view)
                if no is not None:
                    rejections.append(rule.rejection(queue, no))
                    break
            else:
                taken.append(queue)
        return taken

    def _by_wait(self, demand: Demand, queues: list[Queue]) -> list[Ranked]:
        view, lines, ranked = self._view, self._lines, []
        for queue in queues:
            found = lane(demand, queue, view, lines[queue.name])
            ranked.append(Ranked(queue.name, lane_weight(found), found))
        return ranked

    def _by_weight(
        self, demand: Demand, queues: list[Queue], rejections: list[Rejection]
    ) -> list[Ranked]:
        ranked = []
        for queue in queues:
            try:
                weight = self._preset.weight(demand, queue, self._view)
            except ArithmeticError as error:
                words = f"its weight cannot be computed: {error}"
                rejections.append(Rejection(queue.name, "weight", words))
                continue
            if isfinite(weight) and weight > 0:
                ranked.append(Ranked(queue.name, weight))
            else:
                words = f"its weight is {weight}"
                rejections.append(Rejection(queue.name, "weight", words))
        return ranked


def concerned(rules: Sequence[Rule], demand: Demand, view: View) -> list[Rule]:
    """The rules that may refuse this demand."""
    return [rule for rule in rules if rule.concerns(demand, view.thresholds)]


def _alike(
    queues: Iterable[Queue], rules: Sequence[Rule]
) -> list[tuple[tuple[Rule, ...], list[Queue]]]:
    """Queues by the rules that may refuse them."""
    groups: dict[tuple[str, ...], tuple[tuple[Rule, ...], list[Queue]]] = {}
    for queue in queues:
        applying = tuple(rule for rule in rules if rule.applies(queue))
        names = tuple(rule.name for rule in applying)
        groups.setdefault(names, (applying, []))[1].append(queue)
    return list(groups.values())


def _manned(taken: list[Queue], view: View, rejections: list[Rejection]) -> list[Queue]:
    longest = 3600 * view.thresholds.no_pilot_hours
    manned: list[Queue] = []
    idle: list[Queue] = []
    for queue in taken:
        ago = queue.load.last_pilot_seconds_ago
        (manned if ago is not None and ago <= longest else idle).append(queue)
    if not manned or not idle:
        return taken
    reason = "no pilot is at work there, and elsewhere there is one"
    rejections += [Rejection(queue.name, "no_pilot", reason, passes=True) for queue in idle]
    return manned
