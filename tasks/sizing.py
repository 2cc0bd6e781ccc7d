"""How big a job may be at a queue (documentation, 13; spec/lifecycle.md, Job sizing). Pure.

Two inequalities must hold for a job of so many events, S being the scratch disk that is offered,
W the wall time, C the cores and P the HS06 power of a core:

- S >= inputDiskCount + max(0.5 GB, outDiskCount x nEvents) + workDiskCount
- W >= cpuTime x nEvents / (C x P x cpuEfficiency) + baseTime
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

MB = 1_000_000
OUTPUT_FLOOR_MB = 500.0
DEFAULT_CORE_POWER = 10.0
MAX_FILES_PER_JOB = 200
"""What `prun --maxNFilesPerJob` is by default: more file names make too long a command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the events of a task cost. `cpu_time` is in HS06 seconds an event, None: not known.

    `cpu_efficiency` is a fraction; 0: the wall time does not grow with the events.
    `base_seconds` (baseTime) is what does not shrink with the power of the cores.
    """

    cpu_time: float | None = None
    cpu_efficiency: float = 0.9
    base_seconds: float = 0.0
    output_mb_per_event: float = 0.0
    work_disk_mb: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether it says how long a job of so many events takes."""
        return self.cpu_time is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a job may use at a queue; None: no limit. `core_count` is what the job gets (C)."""

    disk_mb: float | None = None
    walltime_seconds: float | None = None
    core_count: int = 1
    core_power: float = DEFAULT_CORE_POWER
    reads_directly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most that one job may be: files, events, and what it takes on the disk."""

    max_files: int | None = None
    max_events: float = inf
    max_disk_mb: float = inf
    cost: Cost = Cost()
    counts_input: bool = True
    output_floor_mb: float = 0.0

    def hold(self, n_files: int, n_bytes: int, n_events: int) -> bool:
        """Whether so much may be one job."""
        if self.max_files is not None and n_files > self.max_files:
            return False
        if n_events > self.max_events:
            return False
        return self.max_disk_mb == inf or self._disk_mb(n_bytes, n_events) <= self.max_disk_mb

    def are_reached(self, n_files: int, n_events: int) -> bool:
        """Whether not one more file fits, whatever its size."""
        return n_events >= self.max_events or (
            self.max_files is not None and n_files >= self.max_files
        )

    def _disk_mb(self, n_bytes: int, n_events: int) -> float:
        input_mb = n_bytes / MB if self.counts_input else 0.0
        output_mb = max(self.output_floor_mb, self.cost.output_mb_per_event * n_events)
        return input_mb + output_mb + self.cost.work_disk_mb


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the owner says of a job's size; taken as given (nFilesPerJob, nGBPerJob, …).

    `max_files_per_job` (maxNFilesPerJob, nMaxFilesPerJob) only bounds what follows from the rest.
    """

    n_files_per_job: int | None = None
    n_gb_per_job: float | None = None
    n_events_per_job: int | None = None
    max_files_per_job: int | None = None

    @property
    def is_said(self) -> bool:
        """Whether it says how big a job is."""
        return any((self.n_files_per_job, self.n_gb_per_job, self.n_events_per_job))


def given_bounds(given: Given, cost: Cost) -> Bounds:
    """Bounds as the owner gave them; a job takes one file where nothing is said.

    nGBPerJob is the size of input, output and work directory together (documentation, 13).
    """
    if not given.is_said:
        return Bounds(max_files=1)
    gb, events = given.n_gb_per_job, given.n_events_per_job
    files = [n for n in (given.n_files_per_job, given.max_files_per_job) if n is not None]
    return Bounds(
        max_files=min(files, default=None),
        max_events=inf if events is None else events,
        max_disk_mb=inf if gb is None else gb * 1000,
        cost=cost,
    )


def bounds_at(offer: Offer, cost: Cost, max_files: int = MAX_FILES_PER_JOB) -> Bounds:
    """The bounds of the biggest job that a queue's offer allows."""
    return Bounds(
        max_files=max_files,
        max_events=max_events(offer, cost),
        max_disk_mb=inf if offer.disk_mb is None else offer.disk_mb,
        cost=cost,
        counts_input=not offer.reads_directly,
        output_floor_mb=OUTPUT_FLOOR_MB,
    )


def max_events(offer: Offer, cost: Cost) -> float:
    """The most events that end within the wall time offered: a whole number, or infinity."""
    if offer.walltime_seconds is None:
        return inf
    left = offer.walltime_seconds - cost.base_seconds
    if left < 0:
        return 0.0
    if not cost.cpu_time or not cost.cpu_efficiency:
        return inf
    power = offer.core_count * offer.core_power * cost.cpu_efficiency
    # Of two floating-point ways to say the inequality, the one that people will check decides.
    found = int(left * power / cost.cpu_time)
    while walltime_seconds(offer, cost, found + 1) <= offer.walltime_seconds:
        found += 1
    while found and walltime_seconds(offer, cost, found) > offer.walltime_seconds:
        found -= 1
    return float(found)


def walltime_seconds(offer: Offer, cost: Cost, n_events: int) -> float:
    """How long a job of so many events is expected to run at a queue (the right side of W)."""
    if not cost.cpu_time or not cost.cpu_efficiency:
        return cost.base_seconds
    power = offer.core_count * offer.core_power * cost.cpu_efficiency
    return cost.cpu_time * n_events / power + cost.base_seconds


def disk_mb(cost: Cost, n_events: int, input_mb: float) -> float:
    """The scratch disk that a job is expected to take (the right side of S), in MB."""
    output_mb = max(OUTPUT_FLOOR_MB, cost.output_mb_per_event * n_events)
    return input_mb + output_mb + cost.work_disk_mb
