"""PanDA's two weights."""

from __future__ import annotations

from broker.estimates import has_all_input, input_at, n_missing_files
from broker.values import Demand, Queue
from broker.view import View
from broker.weights.network import network_weight
from broker.weights.occupancy import n_assigned, n_queued, running


def production_weight(demand: Demand, queue: Queue, view: View) -> float:
    """(running + 1) / ((queued + 10) × manyAssigned) × data × network (12.1, step 3)."""
    queued = n_queued(demand, queue, view)
    many = many_assigned(n_assigned(demand, queue), queue.load.n_activated)
    occupancy = (running(queue.load) + 1) / ((queued + 10) * many)
    return occupancy * data_availability(demand, queue) * network_weight(demand, queue, view)


def many_assigned(assigned: int, activated: int) -> float:
    """max(1, min(2, assigned / activated)): more wait for input than are ready to run."""
    if activated <= 0:
        return 2.0 if assigned > 0 else 1.0
    return max(1.0, min(2.0, assigned / activated))


def data_availability(demand: Demand, queue: Queue) -> float:
    """(availableSize + totalSize) / (totalSize × (numMissingFiles / 100 + 1)); 1 without input."""
    if not demand.n_input_files and not demand.total_input_mb:
        return 1.0
    missing = n_missing_files(demand, queue) / 100 + 1
    if demand.total_input_mb <= 0:
        return 1 / missing
    there = min(input_at(demand, queue).size_mb, demand.total_input_mb)
    return (there + demand.total_input_mb) / (demand.total_input_mb * missing)


def analysis_weight(demand: Demand, queue: Queue, view: View) -> float:
    """(1 + G/(U+1)) × (R+1) × P × X / (D + A + T) (FAQ: how PanDA chooses sites).

    A queue where nothing waits counts as one where one job does.
    """
    load = queue.load
    pilots = 1 + load.n_nodes_asking / (load.n_nodes_updating + 1)
    most = max(load.most_running, load.n_running)
    waiting = load.n_waiting + view.assigned(queue)
    data = analysis_data_factor(demand, queue)
    return pilots * (most + 1) * queue.pilot_factor * data / max(1, waiting)


def analysis_data_factor(demand: Demand, queue: Queue) -> float:
    """X: 1 or 0 where input is not moved; else more for input on disk, a little for tape."""
    if not demand.may_move_input:
        return 1.0 if has_all_input(demand, queue) else 0.0
    there = input_at(demand, queue)
    if there.size_mb > 0:
        return 1 + there.size_mb / 10_000
    return 1 + there.on_tape_mb / 1_000_000
