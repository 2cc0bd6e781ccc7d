"""How many jobs go to which queue."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heapreplace
from math import inf

from broker.values import Lane, Ranked, Ranking
from broker.weights.wait import cost_seconds


def allot(
    n_jobs: int,
    ranking: Ranking,
    most_wait_seconds: float = inf,
    places: Mapping[str, int] | None = None,
) -> list[tuple[str, int]]:
    """How many of the jobs go to each ranked queue, best queue first.

    Where the ranking knows lines (`Ranked.lane`), each job goes where it costs least, the jobs
    before it counted: O(jobs × log queues). A job that would wait longer than
    `most_wait_seconds` everywhere is not allotted: it is better placed later, with a newer view.
    Nor is one beyond the `places` of each queue (None: no end of them). Without lines the numbers
    are in proportion to the weights, whatever the limits. All numbers together are `n_jobs`
    unless such a limit is given or nothing is ranked.
    """
    if any(r.lane is None for r in ranking.ranked):
        return _in_proportion(n_jobs, ranking.ranked)
    lanes = [r.lane for r in ranking.ranked if r.lane is not None]
    most = [n_jobs if places is None else places.get(r.queue, 0) for r in ranking.ranked]
    counts = _one_by_one(n_jobs, lanes, most_wait_seconds, most)
    return [(r.queue, count) for r, count in zip(ranking.ranked, counts, strict=True)]


def _one_by_one(
    n_jobs: int, lanes: list[Lane], most_wait_seconds: float, most: list[int]
) -> list[int]:
    counts = [0] * len(lanes)
    heap = [
        (cost_seconds(lane, 0), place)
        for place, lane in enumerate(lanes)
        if most[place] > 0 and _wait(lane, 0) <= most_wait_seconds
    ]
    heapify(heap)
    left = n_jobs
    while left > 0 and heap:
        place = heap[0][1]
        lane = lanes[place]
        counts[place] += 1
        left -= 1
        if counts[place] >= most[place] or _wait(lane, counts[place]) > most_wait_seconds:
            heappop(heap)
        else:
            heapreplace(heap, (cost_seconds(lane, counts[place]), place))
    return counts


def _wait(lane: Lane, n_before: int) -> float:
    return (lane.backlog + n_before + 1) / lane.rate


def _in_proportion(n_jobs: int, ranked: tuple[Ranked, ...]) -> list[tuple[str, int]]:
    # Weights are set against the largest first, so that no sum of huge ones overflows.
    parts = [r.weight / ranked[0].weight for r in ranked]
    shares = [
        (r.queue, int(n_jobs * part / sum(parts))) for r, part in zip(ranked, parts, strict=True)
    ]
    left = n_jobs - sum(count for _, count in shares)
    return [
        (queue, count + (1 if place < left else 0)) for place, (queue, count) in enumerate(shares)
    ]
