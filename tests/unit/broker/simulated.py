"""Small worlds for the simulator, with answers that can be worked out by hand."""

from __future__ import annotations

from random import Random
from typing import Any

from broker.shares import DEFAULT
from broker.simulation.desk import Policy
from broker.simulation.engine import Setting, Trace, simulate
from broker.simulation.generator import Sizes, make_workload, make_world
from broker.simulation.policies import POLICIES
from broker.simulation.workload import SimTask, fitted
from broker.simulation.world import SimQueue, SimShare, World, checked

HALVES = (SimShare(name="a", weight=50), SimShare(name="b", weight=50),
          SimShare(name=DEFAULT, weight=0))  # fmt: skip


def a_queue(name: str = "Q1", **changes: Any) -> SimQueue:
    return SimQueue(**({"name": name, "slots": 1} | changes))


def a_world(*queues: SimQueue, **changes: Any) -> World:
    return checked(World(queues=queues or (a_queue(),), **changes))


def a_task(name: str = "t1", *work_seconds: float, **changes: Any) -> SimTask:
    fields = {"name": name, "submitted_seconds": 0.0, "work_seconds": work_seconds or (100.0,)}
    return SimTask(**(fields | changes))


def run(policy: str | Policy, world: World, *tasks: SimTask, fifo: bool = False) -> Trace:
    made = POLICIES[policy]() if isinstance(policy, str) else policy
    return simulate(Setting(world=world, workload=fitted(tasks, world), fifo=fifo), made)


def starts(trace: Trace) -> dict[str, float | None]:
    """When each job started first: `task/place`."""
    places: dict[str, int] = {}
    found = {}
    for job in trace.jobs:
        place = places[job.task.name] = places.get(job.task.name, -1) + 1
        found[f"{job.task.name}/{place}"] = job.started_at
    return found


def a_generated_setting(seed: int, **changes: Any) -> Setting:
    """A small world full of trouble."""
    chance = Random(seed)
    world = make_world(chance, n_queues=4, view_seconds=changes.pop("view_seconds", 300.0))
    workload = make_workload(chance, world, Sizes(n_jobs=300, largest_task=60, load=1.1))
    return Setting(world=world, workload=workload, seed=seed, **changes)
