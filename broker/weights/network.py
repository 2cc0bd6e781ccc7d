"""The network weight: 1 (bad) to 2 (good) for a link, 2.5 at the nucleus itself."""

from __future__ import annotations

from broker.thresholds import Thresholds
from broker.values import Demand, Link, Queue
from broker.view import View

AT_NUCLEUS = 2.5
MIN_CLOSENESS, MAX_CLOSENESS = 0.0, 11.0
UNKNOWN_CLOSENESS = 0.7 * MAX_CLOSENESS
"""A link of which nothing is known is taken for a rather bad one."""
_STEPS = (
    (200, 2.0), (100, 1.9), (75, 1.8), (50, 1.6), (20, 1.5), (10, 1.3), (2, 1.2), (1, 1.1),
)  # fmt: skip


def network_weight(demand: Demand, queue: Queue, view: View) -> float:
    """0.5 × (queuedWeight + throughputWeight) of the link to the nucleus (12.1.2)."""
    if demand.nucleus is None:
        return 1.0
    if queue.site == demand.nucleus:
        return AT_NUCLEUS
    link = view.to_nucleus(demand, queue)
    return 0.5 * (queued_weight(link, view.thresholds) + throughput_weight(link))


def queued_weight(link: Link, limits: Thresholds) -> float:
    """2 for an empty link, falling to 1 as the queue grows to NQUEUED_SAT_CAP (12.1.2, fig. 1)."""
    if limits.nqueued_sat_cap <= 0:
        return 1.0 if link.n_files_queued > 0 else 2.0
    return 2.0 - min(1.0, max(0.0, link.n_files_queued / limits.nqueued_sat_cap))


def throughput_weight(link: Link) -> float:
    """By steps of MB/s as measured last (12.1.2, fig. 2), or by closeness if nothing was."""
    speed = measured_speed(link)
    if speed is not None:
        return next((weight for least, weight in _STEPS if speed > least), 1.0)
    closeness = UNKNOWN_CLOSENESS if link.closeness is None else link.closeness
    closeness = min(MAX_CLOSENESS, max(MIN_CLOSENESS, closeness))
    return 1.0 + (MAX_CLOSENESS - closeness) / (MAX_CLOSENESS - MIN_CLOSENESS)


def measured_speed(link: Link) -> float | None:
    """MB/s in the last hour, else in the last day, else in the last week."""
    for speed in (
        link.mb_per_second_last_hour,
        link.mb_per_second_last_day,
        link.mb_per_second_last_week,
    ):
        if speed is not None:
            return speed
    return None
