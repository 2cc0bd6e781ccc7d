"""What is at the queue now, and what was heard from it."""

from __future__ import annotations

from broker.filters.placing import is_hasty
from broker.rules import Refusal, rule, shown
from broker.values import Demand, Queue
from broker.view import View
from broker.weights.occupancy import n_queued, running


@rule(
    5,
    passes=True,
    applies=lambda queue: queue.load.n_activated > 0,
    concerns=lambda demand, limits: (
        is_hasty(demand, limits) or demand.is_merge or demand.is_premerge
    ),
)
def inactive(_: Demand, queue: Queue, view: View) -> Refusal | None:
    """A queue that has jobs and started none for two hours is not for jobs in a hurry."""
    hours, ago = view.thresholds.inactive_hours, queue.load.last_start_seconds_ago
    if ago is not None and ago <= 3600 * hours:
        return None
    words = f"it has activated jobs and started none for {shown(hours)} h"
    return Refusal(words, 3600 * hours, ago, "s since the last start")


@rule(19, passes=True, applies=lambda queue: queue.load.n_transferring > 0)
def transferring(_: Demand, queue: Queue, view: View) -> Refusal | None:
    """Output leaves the queue about as fast as it comes."""
    limit = queue.transferring_limit
    limit_or_default = view.thresholds.transferring_limit if limit is None else limit
    most = max(limit_or_default, 2 * queue.load.n_running)
    if queue.load.n_transferring <= most:
        return None
    words = f"{queue.load.n_transferring} of its jobs are in transfer, the limit is {shown(most)}"
    return Refusal(words, most, queue.load.n_transferring, "jobs in transfer")


@rule(21, passes=True)
def no_pilot(_: Demand, queue: Queue, view: View) -> Refusal | None:
    """A pilot was heard from in the last three hours."""
    hours, ago = view.thresholds.no_pilot_hours, queue.load.last_pilot_seconds_ago
    if ago is not None and ago <= 3600 * hours:
        return None
    heard = "ever" if ago is None else f"for {shown(ago / 3600)} h"
    return Refusal(f"no pilot was heard from {heard}", 3600 * hours, ago, "s since the last pilot")


@rule(23, passes=True)
def many_activated(_: Demand, queue: Queue, view: View) -> Refusal | None:
    """Enough jobs there are ready to run."""
    return _full(queue, view, queue.load.n_activated + queue.load.n_starting, "jobs ready to run")


@rule(24, passes=True)
def many_queued(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """Enough jobs wait there, counting those just sent."""
    return _full(queue, view, n_queued(demand, queue, view), "jobs waiting")


def _full(queue: Queue, view: View, queued: int, unit: str) -> Refusal | None:
    # The floor lets a queue start at which nothing runs.
    limits = view.thresholds
    most = limits.queued_over_running * max(running(queue.load), limits.queued_floor)
    if queued <= most:
        return None
    words = f"{queued} {unit} there already, for what runs there {shown(most)} are enough"
    return Refusal(words, most, queued, unit)
