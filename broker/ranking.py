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
        """Make them ready. `lines` says how queues stand by the caller's own books (see
        broker/slots.py), who may change it between decisions; others are as the view says.
        """
        self._view = View() if view is None else view
        self._preset = preset
        self._groups = _alike(sorted(queues, key=_BY_NAME), preset.filters)
        self._lines = {} if lines is None else lines

    def rank(self, demand: Demand) -> Ranking:
        """The queues that take the demand, best first, and why each of the others does not.

        The order of the queues does not matter: ties go by name. Queues beyond the best that the
        preset keeps are in neither list.
        """
        rejections: list[Rejection] = []
        taken = self._passed(demand, rejections)
        if self._preset.prefers_pilots:
            taken = _manned(taken, self._view, rejections)
        after = concerned(self._preset.after, demand, self._view)
        ranked = []
        for queue in taken:
            found = refused(after, demand, queue, self._view) or self._weigh(demand, queue)
            if isinstance(found, Rejection):
                rejections.append(found)
            else:
                ranked.append(found)
        # By name they are already, and sorting keeps what is equal in its order.
        ranked.sort(key=_BY_WEIGHT, reverse=True)
        rejections.sort(key=_BY_QUEUE)
        return Ranking(tuple(ranked[: self._preset.best]), tuple(rejections))

    def _passed(self, demand: Demand, rejections: list[Rejection]) -> list[Queue]:
        view, taken = self._view, []
        for rules, queues in self._groups:
            active = concerned(rules, demand, view)
            for queue in queues:
                for rule in active:
                    no = rule.refuse(demand, queue, view)
                    if no is not None:
                        rejections.append(rule.rejection(queue, no))
                        break
                else:
                    taken.append(queue)
        if len(self._groups) > 1:
            taken.sort(key=_BY_NAME)
        return taken

    def _weigh(self, demand: Demand, queue: Queue) -> Ranked | Rejection:
        if self._preset.fills:
            found = lane(demand, queue, self._view, self._line(queue))
            return Ranked(queue.name, lane_weight(found), found)
        try:
            weight = self._preset.weight(demand, queue, self._view)
        except ArithmeticError as error:
            return Rejection(queue.name, "weight", f"its weight cannot be computed: {error}")
        if not isfinite(weight) or weight <= 0:
            return Rejection(queue.name, "weight", f"its weight is {weight}", weight, 0.0)
        return Ranked(queue.name, weight)

    def _line(self, queue: Queue) -> Line:
        found = self._lines.get(queue.name)
        if found is None:
            found = self._lines[queue.name] = line(queue, self._view)
        return found


def concerned(rules: Sequence[Rule], demand: Demand, view: View) -> list[Rule]:
    """The rules that may refuse this demand."""
    return [rule for rule in rules if rule.concerns(demand, view.thresholds)]


def refused(rules: Iterable[Rule], demand: Demand, queue: Queue, view: View) -> Rejection | None:
    """The rejection by the first rule that refuses the queue."""
    for rule in rules:
        no = rule.refuse(demand, queue, view)
        if no is not None:
            return rule.rejection(queue, no)
    return None


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
