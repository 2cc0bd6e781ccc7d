"""Worlds and workloads from a seed: queues of many sizes, users who send little and users who
send much, a few tasks that are larger than all others together (sizes are heavy-tailed).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from broker.shares import DEFAULT
from broker.simulation.workload import SimTask, Workload, fitted
from broker.simulation.world import Downtime, SimQueue, SimShare, World

SHARES = (
    SimShare(name="production", weight=50),
    SimShare(name="analysis", weight=35),
    SimShare(name="higgs", weight=40, parent="analysis"),
    SimShare(name="top", weight=30, parent="analysis"),
    SimShare(name="users", weight=30, parent="analysis"),
    SimShare(name="upgrade", weight=10),
    SimShare(name=DEFAULT, weight=5),
)
_DEMAND = {
    "production": 0.35, "higgs": 0.1, "top": 0.2, "users": 0.25, "upgrade": 0.05, DEFAULT: 0.05,
}  # fmt: skip
"""The part of the tasks that each share sends: not what it is due, or there were nothing to do."""
_SLOTS = (8, 160)
_SPEEDS = (0.6, 1.6)
_MAX_FAILURES = 0.04
_MAX_BACKGROUND = 0.3
_DOWNTIME_CHANCE = 0.2
_DOWNTIME_SECONDS = (1800.0, 14_400.0)
_DAY_SECONDS = 86_400.0
_ESTIMATE_ERROR = 0.3
"""Standard deviation of the logarithm: brokers take a third too much or too little."""
_MB_PER_SECOND = (10.0, 200.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much a generated workload holds."""

    n_jobs: int = 20_000
    load: float = 0.95
    """Work that is sent in a second, over the work that the world does in one."""
    mean_work_seconds: float = 3600.0
    n_users: int = 60
    tail: float = 1.3
    """The exponent of the Pareto law of the jobs in a task: nearer to 1 means larger tasks."""
    largest_task: int = 2000


def make_world(random: Random, n_queues: int = 30, view_seconds: float = 300.0) -> World:
    """A world of so many queues, each at a site of its own."""
    names = [f"Q{number:02}" for number in range(1, n_queues + 1)]
    return World(
        queues=tuple(_queue(name, random) for name in names),
        shares=SHARES,
        view_seconds=view_seconds,
        default_mb_per_second=random.uniform(*_MB_PER_SECOND),
    )


def _queue(name: str, random: Random) -> SimQueue:
    smallest, largest = _SLOTS
    down = random.random() < _DOWNTIME_CHANCE
    start = random.uniform(0, _DAY_SECONDS)
    times = Downtime(start_seconds=start, end_seconds=start + random.uniform(*_DOWNTIME_SECONDS))
    return SimQueue(
        name=name,
        slots=round(smallest * (largest / smallest) ** random.random()),
        core_speed=random.uniform(*_SPEEDS),
        failure_rate=random.uniform(0, _MAX_FAILURES),
        background=random.uniform(0, _MAX_BACKGROUND),
        downtimes=(times,) if down else (),
    )


def make_workload(random: Random, world: World, sizes: Sizes) -> Workload:
    """Tasks whose jobs add up to `n_jobs`, over the time that the load asks for."""
    tasks = list(_tasks(random, world, sizes))
    work = sum(sum(task.work_seconds) for task in tasks)
    period = work / (world.power * sizes.load)
    return fitted((_moved(task, task.submitted_seconds * period) for task in tasks), world)


def _tasks(random: Random, world: World, sizes: Sizes) -> Iterator[SimTask]:
    """Tasks submitted at parts of the whole time, from 0 to 1."""
    users = _users(random, sizes.n_users, world)
    weights = [1 / rank for rank in range(1, len(users) + 1)]  # Zipf: few users send the most
    sites = [queue.place for queue in world.queues]
    left, number = sizes.n_jobs, 0
    while left > 0:
        number += 1
        count = min(left, sizes.largest_task, int(random.paretovariate(sizes.tail) * 2))
        left -= count
        user, share = random.choices(users, weights)[0]
        mean = sizes.mean_work_seconds * random.lognormvariate(-0.32, 0.8)
        yield SimTask(
            name=f"task-{number:05}",
            user=user,
            share=share,
            submitted_seconds=random.random(),
            work_seconds=tuple(_work(random, mean) for _ in range(count)),
            expected_seconds=mean * random.lognormvariate(0, _ESTIMATE_ERROR),
            priority_step=0 if share == "production" else 5,
            input_mb=random.lognormvariate(5.5, 1.2),
            sites=tuple(random.sample(sites, k=min(len(sites), random.randint(1, 3)))),
        )


def _work(random: Random, mean: float) -> float:
    return max(30.0, mean * random.lognormvariate(-0.08, 0.4))


def _users(random: Random, count: int, world: World) -> list[tuple[str, str]]:
    """Users and the share of each: the generated world's own, else those of the tree in turn."""
    parents = {share.parent for share in world.tree()}
    leaves = [share.name for share in world.tree() if share.name not in parents]
    demand = [_DEMAND.get(leaf, 1 / len(leaves)) for leaf in leaves]
    return [(f"user{n:03}", random.choices(leaves, demand)[0]) for n in range(count)]


def _moved(task: SimTask, submitted_seconds: float) -> SimTask:
    return replace(task, submitted_seconds=submitted_seconds)
