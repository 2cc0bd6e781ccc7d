"""What brokerage reads and gives. Sizes are megabytes unless the name says otherwise, times
seconds; a limit or a measurement that is None is not set or not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from broker.architecture import ANY_ARCHITECTURE, Architecture
from broker.connectivity import FULL, Connectivity
from broker.software import Release, Software
from culm.wire.task_spec import USER_ACTIVITY

DEFAULT_CORE_POWER = 10.0
"""HS06 of a core, where a queue does not say."""


class QueueKind(StrEnum):
    """Whose jobs a queue takes: what people run for themselves, production, or both."""

    UNIFIED = "unified"
    PRODUCTION = "production"
    ANALYSIS = "analysis"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAt:
    """The part of a task's input that a site holds: on disk, and on tape."""

    size_mb: float = 0.0
    n_files: int = 0
    on_tape_mb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the jobs of one task need, and where their owner wants them.

    Two ways to say how much: as a whole (`memory_mb`, `disk_mb`, `walltime_seconds`), or by the
    quantities that PanDA's formulas take (a core, an event). Those of a job are of the smallest
    job that the task allows.
    """

    core_count: int = 1
    memory_mb: float = 0
    """Whatever the number of cores (alone: all of the job's; beside the next: baseRamCount)."""
    memory_mb_per_core: float = 0
    disk_mb: float = 0
    input_mb: float = 0
    """The size of one job's input files (inputDiskCount)."""
    output_mb_per_event: float = 0
    work_disk_mb: float = 0
    n_events: int = 1
    walltime_seconds: float = 0
    cpu_seconds_per_event: float = 0
    """HS06 seconds (cpuTime); 0: the wall time is `walltime_seconds` everywhere."""
    cpu_efficiency: float = 0.9
    """0: the wall time does not grow with events."""
    base_seconds: float = 0

    priority: int = 0
    is_scout: bool = False
    is_merge: bool = False
    is_premerge: bool = False
    """Its output will be merged, near to where it is written."""
    is_urgent: bool = False
    share: str = ""
    activity: str = USER_ACTIVITY
    """PanDA: prodSourceLabel."""
    processing_type: str = ""
    working_group: str = ""

    io_intensity_kb_per_second: float = 0
    disk_io_kb_per_second: float = 0
    """Read and written to local disk, for each core."""
    architecture: Architecture = ANY_ARCHITECTURE
    container: str = ""
    container_source: str = ""
    """The path that the container's name stands for."""
    container_by_tag_only: bool = False
    release: Release | None = None
    connectivity: Connectivity | None = None
    must_read_directly: bool = False
    may_read_directly: bool = True
    is_event_service: bool = False
    has_dynamic_events: bool = False

    site: str | None = None
    excluded_sites: frozenset[str] = frozenset()
    failed_builds: Mapping[str, str] = field(default_factory=dict)
    """Queues where what the jobs run could not be built, and why."""
    nucleus: str | None = None
    """The site where the output is gathered."""
    nucleus_only: bool = False
    """Satellites are not wanted (t1Weight = -1)."""
    preassigned_queues: frozenset[str] = frozenset()
    preassigned_skipped_seconds: float = 0
    """For how long the pre-assigned queues took none of these jobs."""

    total_input_mb: float = 0
    n_input_files: int = 0
    input_at: Mapping[str, InputAt] = field(default_factory=dict)
    """By site."""
    may_move_input: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was at a queue at the moment of the view; ages are None if it never happened."""

    n_defined: int = 0
    n_assigned: int = 0
    """Jobs that wait for their input to arrive."""
    n_activated: int = 0
    n_starting: int = 0
    n_running: int = 0
    n_transferring: int = 0
    n_batch_jobs: int = 0
    """Workers in the batch system, running or waiting."""
    n_slots: int | None = None
    """Slots that the queue declares; 0: their number changes all the time."""
    most_running: int = 0
    """In the last 24 hours."""
    n_nodes_asking: int = 0
    """Worker nodes that asked for a job in the last 3 hours."""
    n_nodes_updating: int = 0
    """Worker nodes that reported on a job in the last 3 hours."""
    mean_run_seconds: float | None = None
    disk_io_kb_per_second: float = 0.0
    """Mean of the running jobs, for each core."""
    last_start_seconds_ago: float | None = None
    last_pilot_seconds_ago: float | None = None

    @property
    def n_waiting(self) -> int:
        """Jobs that were sent here and do not run yet."""
        return self.n_defined + self.n_assigned + self.n_activated + self.n_starting


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A compute queue: what it offers (None: no limit), and what is there."""

    name: str
    site: str
    kind: QueueKind = QueueKind.UNIFIED
    status: str = "online"
    core_count: int | None = None
    """The most cores of one job."""
    min_core_count: int = 1
    core_power: float = DEFAULT_CORE_POWER
    max_memory_mb: float | None = None
    """For the whole job."""
    min_memory_mb: float = 0
    max_disk_mb: float | None = None
    max_walltime_seconds: float | None = None
    fair_share_policy: str = ""
    max_disk_io_kb_per_second: float | None = None
    transferring_limit: int | None = None
    connectivity: Connectivity = FULL
    software: Software | None = None
    """What is installed; None: everything (`ANY`)."""
    reads_directly: bool = False
    takes_event_service: bool = True
    takes_ordinary_jobs: bool = True
    takes_dynamic_events: bool = True
    free_storage_gb: float | None = None
    blocked_storage: str = ""
    """The storage endpoint of this queue that is blacklisted, if one is."""
    pilot_factor: float = 1.0
    """P of the analysis weight."""
    load: Load = Load()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is known of the network from one site to another."""

    is_blocked: bool = False
    n_files_queued: int = 0
    closeness: float | None = None
    """0 is best, 11 is worst."""
    mb_per_second_last_hour: float | None = None
    mb_per_second_last_day: float | None = None
    mb_per_second_last_week: float | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a queue was not taken: the first rule that refused it, in words and in numbers.

    `passes` tells a state that may be another one tomorrow from an offer that stays.
    """

    queue: str
    rule: str
    reason: str
    offered: float | None = None
    needed: float | None = None
    unit: str = ""
    passes: bool = False


class Lane(NamedTuple):
    """A queue as a line to wait in: `backlog` jobs are before the next one (negative: so many
    slots are free), `rate` start in a second, and `offset_seconds` is what a job costs there
    beside its wait.
    """

    backlog: float
    rate: float
    offset_seconds: float


class Ranked(NamedTuple):
    """A queue that takes the work, and its weight (more is better)."""

    # Named tuples, for they are made for every queue and job: a frozen dataclass takes thrice
    # the time, half of a whole decision.

    queue: str
    weight: float
    lane: Lane | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The outcome of brokerage: best queues first, and every rejection."""

    ranked: tuple[Ranked, ...]
    rejections: tuple[Rejection, ...]
