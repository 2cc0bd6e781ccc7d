"""A job of a simulation, and the orders in which jobs are served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from broker.order import due_at
from broker.simulation.workload import SimTask


@dataclass(slots=True, eq=False)
class Job:
    """A job and what became of it. Times are seconds; None: it did not happen."""

    number: int
    task: SimTask
    work_seconds: float
    expected_seconds: float
    """What brokers take for its run time, at speed 1."""
    priority: int
    luck: tuple[tuple[float, float], ...]
    """For each try: whether it fails (below the queue's rate) and after which part of its run."""
    queue: int | None = None
    bound_at: float = 0.0
    started_at: float | None = None
    """Its first start."""
    ended_at: float | None = None
    n_starts: int = 0
    n_tries: int = 0
    n_rebrokered: int = 0
    is_failed: bool = False
    is_remote: bool = False
    """The last try read its input from another site."""

    @property
    def submitted_at(self) -> float:
        """When its task came."""
        return self.task.submitted_seconds


Key = Callable[[Job], tuple[float, ...]]
"""The order inside a share; the least is served first."""


def by_priority(job: Job) -> tuple[float, ...]:
    """Priority, then age: as PanDA dispatches."""
    return (-job.priority, job.task.submitted_seconds, job.number)


def by_age(job: Job) -> tuple[float, ...]:
    """First come, first served."""
    return (job.task.submitted_seconds, job.number)


def by_due(job: Job) -> tuple[float, ...]:
    """The task's priority, then when the job is due: Culm's own order."""
    task = job.task
    due = due_at(task.submitted_seconds, job.expected_seconds)
    return (-task.priority, due, job.number)


def by_work(job: Job) -> tuple[float, ...]:
    """The task's priority, then the shortest run: an oracle's order."""
    return (-job.task.priority, job.work_seconds, job.number)
