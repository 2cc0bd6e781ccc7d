"""The better default: where would one more job be done with waiting first?

A queue is a line: `slots` jobs run at a time, each for `mean_run_seconds`, so that `rate` start
in a second. What must have ended since the view was taken is taken off, and what was sent since
then is added: so a view that is minutes old still tells one queue from another.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.estimates import expected_walltime_seconds, missing_mb
from broker.values import Demand, Lane, Load, Queue
from broker.view import View
from broker.weights.network import measured_speed

_LEAST_COST_SECONDS = 1.0
_LONGEST_RUN_SECONDS = 1e8


@dataclass(frozen=True, slots=True)
class Line:
    """A queue as a line to wait in, whoever comes: `backlog` jobs are before the next one
    (negative: so many slots are free), and `rate` start in a second.
    """

    backlog: float
    rate: float


def expected_wait_weight(demand: Demand, queue: Queue, view: View) -> float:
    """1 / (seconds that one more job waits, and a part of those that it runs)."""
    return lane_weight(lane(demand, queue, view, line(queue, view)))


def lane_weight(found: Lane) -> float:
    """The weight of a queue whose lane is known."""
    wait = (found.backlog + 1) / found.rate
    cost = (wait if wait > 0 else 0.0) + found.offset_seconds
    return 1.0 / (cost if cost > _LEAST_COST_SECONDS else _LEAST_COST_SECONDS)


def cost_seconds(found: Lane, n_before: int) -> float:
    """What the next job costs at a queue to which `n_before` more were just given."""
    wait = (found.backlog + n_before + 1) / found.rate
    return (wait if wait > 0 else 0.0) + found.offset_seconds


def line(queue: Queue, view: View) -> Line:
    """The queue's line at the moment of the decision; its rate is above zero, always."""
    load = queue.load
    mean_run = load.mean_run_seconds or view.thresholds.expected_run_seconds
    mean_run = min(max(1.0, mean_run), _LONGEST_RUN_SECONDS)
    n_slots = slots(load)
    jobs = max(0, load.n_waiting) + max(0, load.n_running)
    ended = min(jobs, n_slots) / mean_run * max(0.0, view.age_seconds)
    return Line(max(0.0, jobs - ended) - n_slots, n_slots / mean_run)


def lane(demand: Demand, queue: Queue, view: View, found: Line) -> Lane:
    """The line as it is for this demand: with what was sent there since the view was taken."""
    run_seconds = demand.walltime_seconds
    if demand.cpu_seconds_per_event > 0:
        run_seconds = expected_walltime_seconds(demand, queue)
    offset = view.thresholds.run_time_importance * run_seconds
    if demand.input_mb > 0:
        offset += transfer_seconds(demand, queue, view)
    return Lane(found.backlog + view.assigned(queue), found.rate, offset)


def slots(load: Load) -> int:
    """Jobs that the queue can run at a time, as far as its statistics tell; one at least."""
    return max(1, load.n_running, load.most_running, load.n_batch_jobs, load.n_slots or 0)


def transfer_seconds(demand: Demand, queue: Queue, view: View) -> float:
    """How long one job's input is on its way to the queue: 0 for what is there."""
    if demand.input_mb <= 0 or demand.total_input_mb <= 0:
        return 0.0
    part = missing_mb(demand, queue) / demand.total_input_mb
    if part <= 0:
        return 0.0
    speeds = [
        speed
        for site in demand.input_at
        if (link := view.links.get((site, queue.site))) and (speed := measured_speed(link))
    ]
    best = max(speeds, default=view.thresholds.expected_mb_per_second)
    return part * demand.input_mb / max(best, 1e-6)
