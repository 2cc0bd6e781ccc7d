"""The thresholds of the life cycle by their documented names: timeouts, scouting, brokerage.

Those of brokerage, shares and throttling stand with their rules in `broker`. Section numbers
are of the PanDA documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.presets import PRESETS, WEIGHT_GROUP
from culm.core.plugins import plugins
from culm.core.thresholds import choice, threshold

HOUR, DAY = 3600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """For how long a job may bring no news in a status (12.1.3)."""

    pending_seconds: int = threshold(
        HOUR,
        "TIMEOUT_PENDING",
        "s",
        "a task that no queue takes, or a pending job, is looked at again",
        minimum=1,
    )
    defined_seconds: int = threshold(
        4 * HOUR, "TIMEOUT_DEFINED", "s", "a defined job goes back to brokerage", minimum=1
    )
    assigned_seconds: int = threshold(
        12 * HOUR, "TIMEOUT_ASSIGNED", "s", "an assigned job goes back to brokerage", minimum=1
    )
    activated_seconds: int = threshold(
        2 * DAY, "TIMEOUT_ACTIVATED", "s",
        "an activated or starting job goes back to brokerage", minimum=1,
    )  # fmt: skip
    activated_high_seconds: int = threshold(
        4 * HOUR, "TIMEOUT_ACTIVATED_HIGH", "s",
        "the same at priority 800 or more, where the queue starts nothing", minimum=1,
    )  # fmt: skip
    queue_silent_seconds: int = threshold(
        2 * HOUR, "TIMEOUT_QUEUE_SILENT", "s",
        "a queue that started nothing for so long counts as starting nothing", minimum=1,
    )  # fmt: skip
    sent_seconds: int = threshold(
        1800, "TIMEOUT_SENT", "s", "a job that was sent and not started goes back", minimum=1
    )
    running_seconds: int = threshold(
        21 * DAY, "TIMEOUT_RUNNING", "s", "a job that runs for longer fails", minimum=1
    )
    heartbeat_seconds: int = threshold(
        2 * HOUR, "HEARTBEAT_TIMEOUT_<workflow>", "s",
        "a starting or running job of which nothing is heard is lost, even if its queue's "
        "`lease_seconds` are more", minimum=1,
    )  # fmt: skip
    holding_high_seconds: int = threshold(
        3 * HOUR, "TIMEOUT_HOLDING_HIGH", "s",
        "a holding job of priority 800 or more fails", minimum=1,
    )  # fmt: skip
    holding_days: float = threshold(
        3.0, "TIMEOUT_HOLDING", "days", "a holding job of lower priority fails", minimum=0.01
    )
    transferring_high_days: float = threshold(
        1.0, "transtimehi", "days", "a transferring job of priority 800 or more fails", minimum=0.01
    )
    transferring_days: float = threshold(
        2.0, "transtimelo", "days", "a transferring job of lower priority fails", minimum=0.01
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokerage:
    """How the tasks of an activity are brokered."""

    preset: str = choice(
        "generic", "BROKERAGE_PRESET_<activity>", "preset",
        "filters and weight of its tasks: generic, production or analysis", lambda: PRESETS,
    )  # fmt: skip
    gather: bool = threshold(
        False, "GATHER_OUTPUT_<activity>", "switch",
        "output of its tasks is gathered at a nucleus, though they do not ask for it", minimum=None,
    )  # fmt: skip
    weight: str = choice(
        "", "BROKERAGE_WEIGHT_<activity>", "plugin",
        "a weight of a plugin, in place of the preset's own",
        lambda: ("", *plugins(WEIGHT_GROUP)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """What build jobs may use; one core, and never more than the task's own jobs ask for."""

    memory_mb: int = threshold(
        2000, "BUILD_MEMORY_<activity>", "MB", "the memory of a build job", minimum=1
    )
    disk_mb: int = threshold(
        10_000, "BUILD_DISK_<activity>", "MB", "the scratch disk of a build job", minimum=1
    )
    walltime_seconds: int = threshold(
        4 * HOUR, "BUILD_WALLTIME_<activity>", "s", "for how long a build job may run", minimum=1
    )
    lib_max_mb: int = threshold(
        2000, "BUILD_LIB_MAX_<activity>", "MB", "the largest lib file that a build may leave",
        minimum=1,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Merges:
    """How big merge jobs are, unless the owner says it, and what they may use."""

    max_files: int = threshold(
        50, "MERGE_MAX_FILES_<activity>", "jobs", "of how many jobs a merge job takes the output",
        minimum=1, maximum=1000,
    )  # fmt: skip
    max_gb: float = threshold(
        5.0, "MERGE_MAX_GB_<activity>", "GB", "how much output a merge job takes", minimum=0.001
    )
    memory_mb: int = threshold(
        2000, "MERGE_MEMORY_<activity>", "MB", "the memory of a merge job", minimum=1
    )
    walltime_seconds: int = threshold(
        12 * HOUR, "MERGE_WALLTIME_<activity>", "s", "for how long a merge job may run", minimum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scouting:
    """How scouts are judged (15.1-15.7)."""

    cpu_time_rank: float = threshold(
        95.0, "SCOUT_CPUTIME_RANK", "percentile", "which scout's CPU time an event counts",
        maximum=100,
    )  # fmt: skip
    ram_count_rank: float = threshold(
        75.0, "SCOUT_RAMCOUNT_RANK", "percentile", "which scout's memory a core counts",
        maximum=100,
    )  # fmt: skip
    ram_count_margin: float = threshold(
        10.0, "SCOUT_RAMCOUNT_MARGIN", "%", "what is added to the memory that scouts used"
    )
    ram_count_min: float | None = threshold(
        None, "SCOUT_RAMCOUNT_MIN", "MB a core", "the least memory that a task asks for"
    )
    disk_io_cap: float | None = threshold(
        None, "SCOUT_DISK_IO_CAP", "kB/s", "the most disk I/O that is believed of a scout"
    )
    mem_leak_per_core: float | None = threshold(
        None, "SCOUT_MEM_LEAK_PER_CORE_<activity>", "kB/s a core",
        "a memory leak that exhausts a task",
    )  # fmt: skip
    short_exectime_minutes: float | None = threshold(
        None, "SCOUT_SHORT_EXECTIME_<activity>", "min",
        "a job that runs for less is short; too many of them exhaust a task",
    )  # fmt: skip
