"""The past as a workload: work that was really done, to be placed anew in a world."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import merge

from broker.shares import DEFAULT
from broker.simulation.workload import SimTask, Workload, fitted
from broker.simulation.world import World

_LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTask:
    """What all jobs of a task have in common. Times are seconds after the days began."""

    user: str
    submitted_seconds: float
    priority: int = 1000
    priority_step: int = 0
    input_mb: float = 0.0
    """Of all its jobs of these days together."""
    sites: tuple[str, ...] = ()
    """Where its input is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJob:
    """A job that finished: how long it ran at its queue, and until when."""

    task: int
    queue: str
    run_seconds: float
    ended_seconds: float
    share: str = DEFAULT
    slots: int = 1


@dataclass(slots=True, eq=False)
class Past:
    """Work by task, share and width in slots, in seconds on a core of speed 1; and by queue the
    most slots that were in use at once.
    """

    tasks: Mapping[int, PastTask]
    work: dict[tuple[int, str, int], array[float]] = field(default_factory=dict)
    most_slots: dict[str, int] = field(default_factory=dict)


def past_of(
    jobs: Iterable[PastJob], tasks: Mapping[int, PastTask], speeds: Mapping[str, float]
) -> Past:
    """The past that these jobs make. They are read once and kept as numbers, so that there may
    be a million. `speeds` are the queues' core speeds; one not named has 1.
    """
    past = Past(tasks)
    uses: dict[str, dict[int, _Use]] = {}
    for job in jobs:
        key = (job.task, job.share, job.slots)
        seconds = max(_LEAST_SECONDS, job.run_seconds)
        work = max(_LEAST_SECONDS, round(seconds * speeds.get(job.queue, 1.0), 3))
        past.work.setdefault(key, array("d")).append(work)
        use = uses.setdefault(job.queue, {}).setdefault(job.slots, _Use())
        use.begins.append(job.ended_seconds - seconds)
        use.ends.append(job.ended_seconds)
    past.most_slots = {queue: _most(by_width) for queue, by_width in uses.items()}
    return past


@dataclass(slots=True)
class _Use:
    """When jobs of one width began and ended at one queue."""

    begins: array[float] = field(default_factory=lambda: array("d"))
    ends: array[float] = field(default_factory=lambda: array("d"))

    def changes(self, width: int) -> Iterator[Iterator[tuple[float, int]]]:
        """How the slots in use change, in the order of time, down and up apart."""
        yield ((when, -width) for when in sorted(self.ends))
        yield ((when, width) for when in sorted(self.begins))


def _most(by_width: Mapping[int, _Use]) -> int:
    """The most slots in use at once; one job may take the slot of another that ends just then."""
    changes = [part for width, use in by_width.items() for part in use.changes(width)]
    most = used = 0
    for _, change in merge(*changes):
        used += change
        most = max(most, used)
    return most


@dataclass(frozen=True, slots=True)
class PastWork:
    """The past as a workload for one world, and in words what did not fit into it."""

    workload: Workload
    notes: tuple[str, ...]


def workload_of_past(past: Past, world: World, *, anonymous: bool = False) -> PastWork:
    """The past as this world can run it: the first submission is at 0; shares that the world
    does not have count as the default one, input at sites that it does not have is nowhere, and
    jobs wider than its largest queue are left out. `anonymous` numbers users and tasks.

    Raises:
        InvalidRequest: the world can run none of it, or it is too much for a simulation.
    """
    leaves, places = world.leaves(), world.places()
    widest = max(queue.slots for queue in world.queues)
    n_wide = n_strange = 0
    tasks = []
    for task in _tasks(past, anonymous=anonymous):
        n_jobs = len(task.work_seconds)
        if task.slots > widest:
            n_wide += n_jobs
            continue
        if task.share not in leaves:
            n_strange += n_jobs
        tasks.append(replace(
            task,
            share=task.share if task.share in leaves else DEFAULT,
            sites=tuple(site for site in task.sites if site in places),
        ))  # fmt: skip
    begin = min((task.submitted_seconds for task in tasks), default=0.0)
    moved = (replace(t, submitted_seconds=t.submitted_seconds - begin) for t in tasks)
    notes = (
        f"{n_wide} jobs left out: they are wider than {widest} slots" if n_wide else "",
        f"{n_strange} jobs of shares that are not in this world count for {DEFAULT}"
        if n_strange else "",
    )  # fmt: skip
    return PastWork(fitted(moved, world), tuple(words for words in notes if words))


def _tasks(past: Past, *, anonymous: bool) -> Iterator[SimTask]:
    numbers: dict[str, str] = {}
    in_all = {number: 0 for number, _, _ in past.work}
    for (number, _, _), seconds in past.work.items():
        in_all[number] += len(seconds)
    for place, key in enumerate(sorted(past.work, key=lambda k: (*_age(past, k[0]), k)), start=1):
        number, share, slots = key
        task, seconds = past.tasks[number], past.work[key]
        user = numbers.setdefault(task.user, f"user-{len(numbers) + 1}")
        yield SimTask(
            name=f"task-{place:06}" if anonymous else f"{number} {share} {slots}",
            user=user if anonymous else task.user,
            share=share,
            submitted_seconds=task.submitted_seconds,
            work_seconds=tuple(seconds),
            priority=min(10_000, max(0, task.priority)),
            priority_step=task.priority_step,
            slots=slots,
            input_mb=task.input_mb / in_all[number],
            sites=task.sites,
        )


def _age(past: Past, number: int) -> tuple[float, int]:
    return past.tasks[number].submitted_seconds, number
