"""The way to the nucleus, and what network worker nodes have."""

from __future__ import annotations

from broker.rules import Refusal, rule, shown
from broker.thresholds import Thresholds
from broker.values import Demand, Queue
from broker.view import View
from broker.weights.network import network_weight


def _is_gathered(demand: Demand, _: Thresholds) -> bool:
    return demand.nucleus is not None


@rule(3, passes=True, concerns=_is_gathered)
def link_blocked(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """Output can be sent to the nucleus."""
    if queue.site == demand.nucleus or not view.to_nucleus(demand, queue).is_blocked:
        return None
    return Refusal(f"its link to the nucleus {demand.nucleus} is blocked")


@rule(3, passes=True, concerns=_is_gathered)
def link_backlog(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """Not too many files wait on the link to the nucleus."""
    queued, cap = view.to_nucleus(demand, queue).n_files_queued, view.thresholds.nqueued_sat_cap
    if queue.site == demand.nucleus or queued <= cap:
        return None
    words = f"{queued} files wait on its link to the nucleus {demand.nucleus}, the limit is"
    return Refusal(f"{words} {shown(cap)}", cap, queued, "files queued on the link")


@rule(3, passes=True, concerns=_is_gathered)
def nucleus_backlog(demand: Demand, _: Queue, view: View) -> Refusal | None:
    """Not too many files are on their way to the nucleus; else all queues are skipped."""
    cap = view.thresholds.nqueued_nuc_cap_for_jobs
    files = view.n_files_to_nucleus.get(demand.nucleus or "", 0)
    if files <= cap:
        return None
    words = f"{files} files are on their way to the nucleus {demand.nucleus}, the limit is"
    return Refusal(f"{words} {shown(cap)}", cap, files, "files to be gathered")


@rule(17, concerns=lambda demand, _: demand.connectivity is not None)
def connectivity(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Worker nodes reach what the task must reach."""
    if demand.connectivity is None or queue.connectivity.serves(demand.connectivity):
        return None
    return Refusal(f"its nodes have network {queue.connectivity}, {demand.connectivity} needed")


@rule(
    22,
    passes=True,
    concerns=lambda demand, limits: (
        demand.nucleus is not None
        and (demand.is_urgent or demand.priority >= limits.urgent_priority)
    ),
)
def slow_network(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """Urgent jobs go where output comes quickly from."""
    limits = view.thresholds
    least = limits.nw_threshold * limits.nw_weight_multiplier
    weight = network_weight(demand, queue, view)
    if weight >= least:
        return None
    words = f"its network weight is {shown(weight)}, urgent jobs need {shown(least)}"
    return Refusal(words, weight, least, "network weight")
