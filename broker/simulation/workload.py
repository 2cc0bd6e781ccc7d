"""The work of a simulation: tasks that arrive at a time, each of a number of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from broker.shares import DEFAULT
from broker.simulation.world import World
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.codec import decode

_TIME = {"minimum": 0}
MAX_JOBS = 1_000_000
"""More than these no simulation takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTask:
    """A task: what its jobs need, and for how long each works."""

    name: str = field(metadata={"longest": 200})
    user: str = "nobody"
    share: str = DEFAULT
    submitted_seconds: float = field(metadata=_TIME)
    work_seconds: tuple[float, ...] = field(metadata={"minimum": 0.001})
    """One number for each job: its run time on a core of speed 1."""
    expected_seconds: float | None = field(default=None, metadata=_TIME)
    """The run time that brokers are told; None: the true mean, as scouts would measure it."""
    priority: int = field(default=1000, metadata={"minimum": 0, "maximum": 10_000})
    priority_step: int = field(default=0, metadata={"minimum": 0, "maximum": 10_000})
    """How many jobs have the same priority before it falls by one; 0: all have the same."""
    slots: int = field(default=1, metadata={"minimum": 1, "maximum": 1_000_000})
    input_mb: float = field(default=0.0, metadata=_TIME)
    """Of each job."""
    sites: tuple[str, ...] = ()
    """Where the input is; none: it does not matter."""

    @property
    def expected_run_seconds(self) -> float:
        """What brokers take for the run time of a job of this task, at speed 1."""
        if self.expected_seconds is not None:
            return self.expected_seconds
        return sum(self.work_seconds) / max(1, len(self.work_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Tasks, in the order in which they were submitted."""

    tasks: tuple[SimTask, ...]

    @property
    def n_jobs(self) -> int:
        """Jobs of all tasks."""
        return sum(len(task.work_seconds) for task in self.tasks)

    @property
    def work(self) -> float:
        """Slot seconds at speed 1 of all jobs."""
        return sum(sum(task.work_seconds) * task.slots for task in self.tasks)


def workload_of(document: Any, world: World) -> Workload:
    """The workload that a document (JSON or YAML, parsed) describes, for this world.

    Raises:
        InvalidRequest: it does not, or the world cannot run it; every fault is named.
    """
    return fitted(decode(Workload, document, "the workload").tasks, world)


def fitted(tasks: Iterable[SimTask], world: World) -> Workload:
    """A workload of these tasks, if the world knows their shares and sites and has room.

    Raises:
        InvalidRequest: it does not; every fault is named.
    """
    ordered = sorted(tasks, key=lambda task: (task.submitted_seconds, task.name))
    faults = list(_faults(ordered, world))
    if faults:
        raise InvalidRequest("the workload does not fit the world", faults=faults)
    return Workload(tasks=tuple(ordered))


def _faults(tasks: Sequence[SimTask], world: World) -> Iterator[FieldFault]:
    shares, sites = world.leaves(), world.places()
    largest = max(queue.slots for queue in world.queues)
    n_jobs = sum(len(task.work_seconds) for task in tasks)
    if not 0 < n_jobs <= MAX_JOBS:
        yield FieldFault("tasks", f"{n_jobs} jobs", f"from 1 to {MAX_JOBS} jobs")
    for name, count in Counter(task.name for task in tasks).items():
        if count > 1:
            yield FieldFault(f"tasks.{name}", f"stands {count} times", "each name once")
    for task in tasks:
        where = f"tasks.{task.name}"
        if task.share not in shares:
            yield FieldFault(f"{where}.share", task.share, unknown_name(task.share, shares))
        for site in task.sites:
            if site not in sites:
                yield FieldFault(f"{where}.sites", site, unknown_name(site, sites))
        if task.slots > largest:
            yield FieldFault(f"{where}.slots", str(task.slots),
                             f"at most {largest}, the slots of the largest queue")  # fmt: skip
