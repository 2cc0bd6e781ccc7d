"""How busy a queue is (PanDA documentation 12.1, step 3)."""

from __future__ import annotations

from broker.estimates import has_all_input
from broker.values import Demand, Load, Queue
from broker.view import View

_BOOTSTRAP = 20


def running(load: Load) -> int:
    """The number that counts as running jobs: the largest of what runs, of workers in the batch
    system while little runs, of declared slots; of starting jobs where slots come and go.
    """
    most = load.n_running
    if load.n_running < _BOOTSTRAP and load.n_batch_jobs > load.n_running:
        most = min(load.n_batch_jobs, _BOOTSTRAP)
    if load.n_slots == 0:
        return max(most, load.n_starting)
    return max(most, load.n_slots or 0)


def n_assigned(demand: Demand, queue: Queue) -> int:
    """Jobs that wait for input; none for jobs whose own input is there, as they pass them by."""
    return 0 if has_all_input(demand, queue) else queue.load.n_assigned


def n_queued(demand: Demand, queue: Queue, view: View) -> int:
    """Jobs defined, activated, assigned, starting, and those sent since the view was taken."""
    load = queue.load
    there = load.n_defined + load.n_activated + load.n_starting + n_assigned(demand, queue)
    return there + view.assigned(queue)
