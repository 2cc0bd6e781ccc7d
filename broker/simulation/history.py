"""Workloads from what really ran: rows of the books, as whoever reads them gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from broker.simulation.workload import SimTask, Workload, fitted
from broker.simulation.world import World
from culm.core.errors import FieldFault, InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJob:
    """A job that ran. Times are seconds of one clock, of any beginning."""

    task: str
    user: str
    share: str
    created_seconds: float
    started_seconds: float
    ended_seconds: float
    core_speed: float = 1.0
    """Of the queue where it ran, so that its work is known."""
    priority: int = 1000
    slots: int = 1
    input_mb: float = 0.0
    sites: tuple[str, ...] = ()
    """Where its input was."""


def workload_of_past(rows: Iterable[PastJob], world: World) -> Workload:
    """The past as a workload: jobs of a task that were created together make one task of it.

    Raises:
        InvalidRequest: a row makes no sense, or the world cannot run it; every fault is named.
    """
    jobs = list(rows)
    faults = [fault for number, job in enumerate(jobs) for fault in _faults(number, job)]
    if faults:
        raise InvalidRequest("the past makes no sense", faults=faults)
    return fitted(_tasks(jobs), world)


def _tasks(jobs: list[PastJob]) -> Iterator[SimTask]:
    begin = min((job.created_seconds for job in jobs), default=0.0)
    batches: dict[tuple[object, ...], list[PastJob]] = {}
    for job in jobs:
        alike = (job.task, job.created_seconds, job.share, job.priority, job.slots, job.input_mb,
                 job.sites)  # fmt: skip
        batches.setdefault(alike, []).append(job)
    for number, batch in enumerate(batches.values(), start=1):
        first = batch[0]
        yield SimTask(
            name=f"{first.task} #{number}",
            user=first.user,
            share=first.share,
            submitted_seconds=first.created_seconds - begin,
            work_seconds=tuple(_work(job) for job in batch),
            priority=first.priority,
            slots=first.slots,
            input_mb=first.input_mb,
            sites=first.sites,
        )


def _work(job: PastJob) -> float:
    return max(0.001, (job.ended_seconds - job.started_seconds) * job.core_speed)


def _faults(number: int, job: PastJob) -> Iterator[FieldFault]:
    where = f"rows[{number}] of {job.task}"
    if job.started_seconds < job.created_seconds:
        yield FieldFault(f"{where}.started_seconds", f"{job.started_seconds:g}",
                         f"at or after its creation at {job.created_seconds:g}")  # fmt: skip
    if job.ended_seconds < job.started_seconds:
        yield FieldFault(f"{where}.ended_seconds", f"{job.ended_seconds:g}",
                         f"at or after its start at {job.started_seconds:g}")  # fmt: skip
    if job.core_speed <= 0:
        yield FieldFault(f"{where}.core_speed", f"{job.core_speed:g}", "more than zero")
