"""Pilot streaming: how many workers of which kind each pull queue should have next.

From what is queued, by share, and from the workers that are there (panda-docs 8.3, Harvester:
unified pilot streaming).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from culm.core.thresholds import threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How many workers may be on their way to a queue."""

    new_per_running: float = threshold(
        0.5, "WORKERS_NEW_PER_RUNNING", "workers",
        "that are new at a queue, for each that is there",
    )  # fmt: skip
    min_new: int = threshold(
        10, "WORKERS_MIN_NEW", "workers", "may be new at a queue, however few are there"
    )
    max_new: int = threshold(500, "WORKERS_MAX_NEW", "workers", "may be new at a queue at once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Jobs that wait at a queue, of one share and resource type."""

    queue: str
    share: str
    resource_type: str
    n_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Workers at a queue: those with work, and slots that wait for some, by resource type."""

    n_busy: int = 0
    idle: Mapping[str, int] | None = None


def new_workers(
    queued: Iterable[Queued],
    order: Sequence[str],
    workers: Mapping[str, Workers],
    limits: Streaming,
) -> dict[tuple[str, str], int]:
    """How many workers to add, by (queue, resource type); none for what idle ones can take.

    Each queue's room is given to shares in `order` (furthest below its target first), one kind
    after the other by what waits.
    """
    ranks = {share: place for place, share in enumerate(order)}
    found: dict[tuple[str, str], int] = {}
    room: dict[str, int] = {}
    idle: dict[tuple[str, str], int] = {
        (queue, kind): count
        for queue, here in workers.items()
        for kind, count in (here.idle or {}).items()
    }
    last = len(ranks)
    for each in sorted(
        queued,
        key=lambda q: (q.queue, ranks.get(q.share, last), -q.n_jobs, q.share, q.resource_type),
    ):
        key = (each.queue, each.resource_type)
        left = room.setdefault(each.queue, _room(workers.get(each.queue, Workers()), limits))
        served = min(each.n_jobs, idle.get(key, 0))
        idle[key] = idle.get(key, 0) - served
        count = min(each.n_jobs - served, left)
        if count > 0:
            found[key] = found.get(key, 0) + count
            room[each.queue] = left - count
    return found


def _room(workers: Workers, limits: Streaming) -> int:
    """How many new workers a queue may have, those that idle there counted."""
    waiting = sum((workers.idle or {}).values())
    most = max(limits.min_new, ceil(limits.new_per_running * workers.n_busy))
    return max(0, min(limits.max_new, most) - waiting)
