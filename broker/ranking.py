"""Ranking: filters, then a weight, then the best; and how many jobs go where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from broker.filters import GENERIC, Filter
from broker.values import Demand, Queue, Ranked, Ranking, Rejection

BEST = 10


def rank(
    demand: Demand, queues: Iterable[Queue], filters: Sequence[tuple[str, Filter]] = GENERIC
) -> Ranking:
    """The queues that take the demand, best first, and why each of the others does not.

    Queues where no pilot is at work take part only if there is no other.
    """
    taken: list[Queue] = []
    rejections: list[Rejection] = []
    for queue in sorted(queues, key=lambda q: q.name):
        refusal = _first_refusal(demand, queue, filters)
        if refusal is None:
            taken.append(queue)
        else:
            rejections.append(refusal)
    if any(queue.has_pilots for queue in taken):
        idle = [queue for queue in taken if not queue.has_pilots]
        taken = [queue for queue in taken if queue.has_pilots]
        reason = "no pilot is at work there, and elsewhere there is one"
        rejections += [Rejection(queue.name, "no_pilot", reason) for queue in idle]
    ranked = [Ranked(queue.name, weight(queue)) for queue in taken]
    ranked.sort(key=lambda r: (-r.weight, r.queue))
    return Ranking(tuple(ranked[:BEST]), tuple(rejections))


def _first_refusal(
    demand: Demand, queue: Queue, filters: Sequence[tuple[str, Filter]]
) -> Rejection | None:
    for name, refuses in filters:
        reason = refuses(demand, queue)
        if reason:
            return Rejection(queue.name, name, reason)
    return None


def weight(queue: Queue) -> float:
    """(running + 1) / (waiting + 10): the core of the job weight in spec/broker.md."""
    return (queue.n_running + 1) / (queue.n_waiting + 10)


def allot(n_jobs: int, ranking: Ranking) -> list[tuple[str, int]]:
    """How many of the jobs go to each ranked queue, in proportion to the weights.

    The numbers add up to `n_jobs`; what rounding leaves goes to the best queues.
    """
    total = sum(r.weight for r in ranking.ranked)
    shares = [(r.queue, int(n_jobs * r.weight / total)) for r in ranking.ranked]
    left = n_jobs - sum(count for _, count in shares)
    return [
        (queue, count + (1 if place < left else 0)) for place, (queue, count) in enumerate(shares)
    ]
