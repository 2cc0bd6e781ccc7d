"""Queues and nodes that swallow work: they fail jobs fast, so they take more and more. Pure.

A node that fails a job a second empties a queue. But a task that fails everywhere is its
owner's fault, not the node's: a place is judged only by tasks that do better elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from culm.core.thresholds import threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHoles:
    """When a queue or a node is rested, and for how long."""

    window_seconds: int = threshold(
        600, "BLACK_HOLE_WINDOW", "s", "jobs that ended within this time are looked at", minimum=1
    )
    fast_seconds: int = threshold(
        60, "BLACK_HOLE_FAST", "s", "a job that fails within this time fails fast", minimum=1
    )
    n_failures: int = threshold(
        10, "BLACK_HOLE_FAILURES", "jobs", "so many fast failures make a black hole", minimum=1
    )
    share: float = threshold(
        0.9, "BLACK_HOLE_SHARE", "fraction", "of all its ended jobs so many failed fast", maximum=1
    )
    share_elsewhere: float = threshold(
        0.5, "BLACK_HOLE_SHARE_ELSEWHERE", "fraction",
        "at most so many of the same tasks' jobs fail elsewhere", maximum=1,
    )  # fmt: skip
    rest_seconds: int = threshold(
        1800, "BLACK_HOLE_REST", "s", "a black hole gets no work for so long", minimum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How jobs of one task ended at one node of one queue."""

    queue_id: int
    node: str
    task_id: int
    n_fast_failures: int = 0
    n_failures: int = 0
    n_finished: int = 0

    @property
    def n_jobs(self) -> int:
        """All of them; fast failures are failures too."""
        return self.n_failures + self.n_finished


@dataclass(frozen=True, slots=True)
class BlackHole:
    """A place to be rested, and why; `node` empty: the whole queue."""

    queue_id: int
    node: str
    reason: str


def black_holes(ended: Iterable[Ended], rules: BlackHoles) -> list[BlackHole]:
    """The places to be rested; a node of a queue that is rested as a whole is not named."""
    rows = list(ended)
    queues = _judge(rows, lambda row: (row.queue_id, ""), rules)
    whole = {hole.queue_id for hole in queues}
    nodes = _judge(rows, lambda row: (row.queue_id, row.node), rules)
    return queues + [hole for hole in nodes if hole.queue_id not in whole]


Place = tuple[int, str]


def _judge(
    rows: Iterable[Ended], place_of: Callable[[Ended], Place], rules: BlackHoles
) -> list[BlackHole]:
    here: dict[Place, dict[int, Ended]] = defaultdict(dict)
    everywhere: dict[int, Ended] = {}
    for row in rows:
        place = place_of(row)
        here[place][row.task_id] = _sum(here[place].get(row.task_id), row)
        everywhere[row.task_id] = _sum(everywhere.get(row.task_id), row)
    found = []
    for (queue_id, node), by_task in sorted(here.items()):
        telling = [own for task_id, own in by_task.items()
                   if _does_better(own, everywhere[task_id], rules)]  # fmt: skip
        fast = sum(own.n_fast_failures for own in telling)
        total = sum(own.n_jobs for own in telling)
        if fast >= rules.n_failures and fast >= rules.share * total:
            reason = (
                f"{fast} of {total} jobs failed within {rules.fast_seconds} s, "
                "and elsewhere the same tasks do better"
            )
            found.append(BlackHole(queue_id, node, reason))
    return found


def _sum(one: Ended | None, other: Ended) -> Ended:
    if one is None:
        return other
    return replace(
        other,
        n_fast_failures=one.n_fast_failures + other.n_fast_failures,
        n_failures=one.n_failures + other.n_failures,
        n_finished=one.n_finished + other.n_finished,
    )


def _does_better(own: Ended, everywhere: Ended, rules: BlackHoles) -> bool:
    """Whether a task's jobs elsewhere tell that the place is to blame, not the task."""
    n_jobs = everywhere.n_jobs - own.n_jobs
    n_failures = everywhere.n_failures - own.n_failures
    return n_jobs > 0 and n_failures <= rules.share_elsewhere * n_jobs
