"""Which workers to start next: what is wanted, fairly, as far as there is room. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from culm.wire.views import WorkersWanted

Kind = tuple[str, str]
"""A queue and a resource type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Cores and memory: of a worker, of a node, or of what is free there."""

    core_count: int
    memory_mb: int

    def without(self, others: Iterable[Size]) -> Size:
        """What is left of it beside others."""
        used = list(others)
        return Size(
            core_count=self.core_count - sum(each.core_count for each in used),
            memory_mb=self.memory_mb - sum(each.memory_mb for each in used),
        )

    def holds(self, other: Size) -> bool:
        """Whether the other one fits into it."""
        return self.core_count >= other.core_count and self.memory_mb >= other.memory_mb


def size_of(wanted: WorkersWanted) -> Size:
    """The size of a worker that is wanted."""
    return Size(core_count=wanted.core_count, memory_mb=wanted.memory_mb)


def workers_to_start(
    wanted: Sequence[WorkersWanted], young: Mapping[Kind, int], free: Size
) -> Counter[Kind]:
    """How many workers of each kind to start, one of each in turn while there is room.

    `young` are those that the server may not have known of when it said what it wants.
    """
    left = {(w.queue, w.resource_type): w.n_workers for w in wanted}
    left = {kind: number - young.get(kind, 0) for kind, number in left.items()}
    sizes = {(w.queue, w.resource_type): size_of(w) for w in wanted}
    found: Counter[Kind] = Counter()
    while fitting := [k for k, number in left.items() if number > 0 and free.holds(sizes[k])]:
        for kind in fitting:
            if free.holds(sizes[kind]):
                free = free.without([sizes[kind]])
                found[kind] += 1
                left[kind] -= 1
    return found
