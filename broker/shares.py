"""Global shares: a tree of weights, what each node is due, and who is served first.

Shares say what part of the computing power, in HS06, a kind of work gets now. Siblings take up
each other's unused part before it goes to the level above (panda-docs 14.1, 14.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name

DEFAULT = "default"
"""The leaf that takes what no rule names: every tree has it, if only with weight 0."""
WHOLES = (1.0, 100.0)
"""What the weights of a family add up to: parts of one, or per cent."""
PRECISION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A node; `weight` is its part among its siblings."""

    name: str
    weight: float
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a node stands: its part of the whole by the tree, after unused parts were handed on,
    and what it has: fractions of what is used now, and the HS06 themselves.
    """

    name: str
    depth: int
    target: float
    due: float
    used: float
    used_hs06: float
    queued_hs06: float


class ShareTree:
    """A tree of shares that adds up; names in the order of the tree."""

    def __init__(self, shares: Sequence[Share]) -> None:
        """Build the tree.

        Raises:
            InvalidRequest: it is none, or does not add up; every fault is named.
        """
        faults = list(faults_of(shares))
        if faults:
            raise InvalidRequest("the shares are not a tree that adds up", faults=faults)
        self.families = _families(shares)
        self.depths = dict(self._walk(None, 0))
        self.leaves = tuple(name for name in self.depths if name not in self.families)
        self.targets = dict(self._targets(None, 1.0))

    def _walk(self, parent: str | None, depth: int) -> Iterator[tuple[str, int]]:
        for share in self.families.get(parent, ()):
            yield share.name, depth
            yield from self._walk(share.name, depth + 1)

    def _targets(self, parent: str | None, part: float) -> Iterator[tuple[str, float]]:
        family = self.families.get(parent, ())
        total = sum(share.weight for share in family)
        for share in family:
            own = part * share.weight / total
            yield share.name, own
            yield from self._targets(share.name, own)

    def totals(self, of_leaves: Mapping[str, float]) -> dict[str, float]:
        """The sum of a quantity over the leaves below each node; a leaf is below itself."""
        sums: dict[str, float] = {}
        for name in reversed(self.depths):
            below = self.families.get(name, ())
            sums[name] = sum(sums[s.name] for s in below) if below else of_leaves.get(name, 0.0)
        return sums

    def due(self, wanted: Mapping[str, float]) -> dict[str, float]:
        """What each node is due, as a fraction of the whole, when leaves can use at most
        `wanted` (fractions too): what one leaves unused goes to its siblings first, then up.

        The parts of the leaves add up to one, or to what is wanted if that is less.
        """
        wants, found = self.totals(wanted), dict.fromkeys(self.depths, 0.0)
        todo: list[tuple[str | None, float]] = [(None, 1.0)]
        while todo:
            parent, amount = todo.pop()
            given = _pour(amount, self.families.get(parent, ()), wants)
            found |= given
            todo += given.items()
        return found

    def standings(
        self, used_hs06: Mapping[str, float], queued_hs06: Mapping[str, float]
    ) -> tuple[Standing, ...]:
        """Every node in the order of the tree; work is given by leaf, queued work in HS06 too."""
        total = sum(used_hs06.get(leaf, 0.0) for leaf in self.leaves)
        whole = total or 1.0
        queued, used = self.totals(queued_hs06), self.totals(used_hs06)
        wanted = {
            leaf: (used[leaf] + queued[leaf]) / whole if total else float(queued[leaf] > 0)
            for leaf in self.leaves
        }
        due = self.due(wanted)
        return tuple(
            Standing(
                name=name, depth=depth, target=self.targets[name], due=due[name],
                used=used[name] / whole, used_hs06=used[name], queued_hs06=queued[name],
            )
            for name, depth in self.depths.items()
        )  # fmt: skip

    def furthest_below(
        self, used_hs06: Mapping[str, float], queued_hs06: Mapping[str, float]
    ) -> tuple[str, ...]:
        """The leaves where something is queued, that which has least of what it is due first.

        Ties go to the greater target, then by name.
        """
        standings = {s.name: s for s in self.standings(used_hs06, queued_hs06)}
        waiting = [standings[leaf] for leaf in self.leaves if queued_hs06.get(leaf, 0.0) > 0]
        waiting.sort(key=lambda s: (round(s.used - s.due, 9), -s.target, s.name))
        return tuple(s.name for s in waiting)


def serve(
    due: Mapping[str, float],
    used_hs06: Mapping[str, float],
    waiting: Mapping[str, Sequence[tuple[int, float]]],
    wanted: int,
) -> list[int]:
    """Up to `wanted` jobs, one by one from the share that has least of what it is due.

    `due` are fractions of the whole, `waiting` the jobs of each share in their order, with the
    HS06 of each; what was given counts for the next choice. Ties go by name.
    """
    used = {share: used_hs06.get(share, 0.0) for share in {*used_hs06, *waiting}}
    total, places = sum(used.values()), dict.fromkeys(waiting, 0)
    served: list[int] = []
    while places and len(served) < wanted:
        whole = total or 1.0
        share = min(places, key=lambda s: (used[s] / whole - due.get(s, 0.0), s))
        job_id, hs06 = waiting[share][places[share]]
        served.append(job_id)
        used[share] += hs06
        total += hs06
        places[share] += 1
        if places[share] == len(waiting[share]):
            del places[share]
    return served


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The line of a share: its jobs, and the HS06 of one of them."""

    n_jobs: int
    hs06: float


MOST_STEPS = 2000
"""Longer lines are served in handfuls, so that to foresee a million jobs takes no time."""


def n_served_before(
    due: Mapping[str, float],
    used_hs06: Mapping[str, float],
    waiting: Mapping[str, Waiting],
    place: tuple[str, int],
) -> int:
    """How many jobs `serve` gives before the one that has so many before it in its share's line,
    as (share, number). Exact while `MOST_STEPS` jobs or fewer wait, else to some per cent.
    """
    share, n_same = place
    handful = max(1, -(-sum(line.n_jobs for line in waiting.values()) // MOST_STEPS))
    used = {name: used_hs06.get(name, 0.0) for name in {*used_hs06, *waiting}}
    left = {name: line.n_jobs for name, line in waiting.items()}
    left[share] = n_same + 1
    total, served = sum(used.values()), 0
    while True:
        whole = total or 1.0
        nxt = min((n for n in left if left[n] > 0),
                  key=lambda n: (used[n] / whole - due.get(n, 0.0), n))  # fmt: skip
        count = min(handful, left[nxt])
        if nxt == share and count == left[nxt]:
            return served + count - 1
        given = count * waiting[nxt].hs06
        used[nxt] += given
        total += given
        left[nxt] -= count
        served += count


def _pour(amount: float, family: Sequence[Share], wants: Mapping[str, float]) -> dict[str, float]:
    """An amount poured over siblings by weight, none getting more than it wants."""
    given = dict.fromkeys((share.name for share in family), 0.0)
    open_ = [share for share in family if wants[share.name] > 0]
    while open_ and amount > 0:
        # Without any weight among those that want more, the rest is theirs in equal parts.
        weights = {s.name: s.weight for s in open_}
        total = sum(weights.values())
        parts = {n: amount * (w / total if total else 1 / len(open_)) for n, w in weights.items()}
        full = {name: wants[name] for name, part in parts.items() if part >= wants[name]}
        if not full:
            return given | parts
        given |= full
        amount -= sum(full.values())
        open_ = [share for share in open_ if share.name not in full]
    return given


def _families(shares: Iterable[Share]) -> dict[str | None, list[Share]]:
    families: dict[str | None, list[Share]] = {}
    for share in shares:
        families.setdefault(share.parent, []).append(share)
    return families


def faults_of(shares: Sequence[Share]) -> Iterator[FieldFault]:
    """Everything that keeps these shares from being a tree that adds up."""
    names = [share.name for share in shares]
    for name, count in Counter(names).items():
        if count > 1:
            yield FieldFault(f"share {name}", f"stands {count} times", "each share once")
    for share in shares:
        if not isfinite(share.weight) or share.weight < 0:
            yield FieldFault(f"share {share.name}.weight", str(share.weight), "zero or more")
        if share.parent is not None and share.parent not in names:
            yield FieldFault(f"share {share.name}.parent", share.parent,
                             unknown_name(share.parent, names))  # fmt: skip
    families = _families(shares)
    yield from _cycles(shares)
    for parent, family in families.items():
        yield from _sum_faults(parent, family)
    if DEFAULT not in names or DEFAULT in families:
        found = "has shares below it" if DEFAULT in families else "missing"
        yield FieldFault(f"share {DEFAULT}", found, "a leaf that takes what no rule names")


def _sum_faults(parent: str | None, family: Sequence[Share]) -> Iterator[FieldFault]:
    total = sum(share.weight for share in family)
    if not any(isclose(total, whole, rel_tol=PRECISION) for whole in WHOLES):
        shown = " + ".join(f"{share.name} {share.weight:g}" for share in family)
        where = f"below {parent}" if parent else "at the top"
        yield FieldFault(f"weights {where}", f"{shown} = {total:g}", "together 100 (per cent) or 1")


def _cycles(shares: Sequence[Share]) -> Iterator[FieldFault]:
    parents = {share.name: share.parent for share in shares}
    told: set[str] = set()
    for name in parents:
        way: list[str] = []
        here: str | None = name
        while here is not None and here not in way:
            way.append(here)
            here = parents.get(here)
        if here is not None and told.isdisjoint(way):
            told.update(way)
            ring = way[way.index(here) :]
            yield FieldFault(f"share {here}.parent", " → ".join([*ring, here]), "no cycle")


def scaled(shares: Sequence[Share], name: str, weight: float) -> list[Share]:
    """The shares with another weight for one; its siblings keep their proportions, so that the
    family adds up to what it did.

    Raises:
        InvalidRequest: there is no such share, or its siblings cannot make room.
    """
    share = next((s for s in shares if s.name == name), None)
    if share is None:
        fault = FieldFault("share", name, unknown_name(name, [s.name for s in shares]))
        raise InvalidRequest("no such share", faults=[fault])
    siblings = [s for s in shares if s.parent == share.parent and s is not share]
    others = sum(s.weight for s in siblings)
    whole = others + share.weight
    left = whole - weight
    if not isfinite(weight) or not 0 <= weight <= whole or (left > PRECISION and not others):
        room = f"from 0 to {whole:g}" if others else f"{whole:g}: no sibling has weight to give"
        fault = FieldFault(f"share {name}.weight", f"{weight:g}", room)
        raise InvalidRequest(f"share {name} cannot have this weight", faults=[fault])
    factor = left / others if others else 0.0
    changed = {s.name: s.weight * factor for s in siblings} | {name: weight}
    return [
        Share(name=s.name, parent=s.parent, weight=changed.get(s.name, s.weight)) for s in shares
    ]
