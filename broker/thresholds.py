"""Every number that brokerage compares with: PanDA's names, units, defaults.

Defaults are those of PanDA's brokers where the documentation names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name

_BY_SHARE = "_<share>"


def _parameter(name: str, default: Any, unit: str, description: str) -> Any:
    about = {"name": name, "unit": unit, "description": description}
    if name.endswith(_BY_SHARE):
        return field(default_factory=dict, metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The thresholds of one brokerage; all are zero or more."""

    nqueued_sat_cap: float = _parameter(
        "NQUEUED_SAT_CAP",
        150,
        "files",
        "most files queued on a link from a satellite to the nucleus",
    )
    nqueued_nuc_cap_for_jobs: float = _parameter(
        "NQUEUED_NUC_CAP_FOR_JOBS", 10_000, "files",
        "most files on their way to the nucleus; above it, its tasks get no jobs",
    )  # fmt: skip
    io_intensity_cutoff: float = _parameter(
        "IO_INTENSITY_CUTOFF", 200, "kB/s", "tasks above it move little input only"
    )
    io_intensity_cutoff_user: float = _parameter(
        "IO_INTENSITY_CUTOFF_USER", 200, "kB/s", "user tasks above it run where their input is"
    )
    size_cutoff_to_move_input: float = _parameter(
        "SIZE_CUTOFF_TO_MOVE_INPUT", 10, "GB", "missing input of an IO-intensive task is less"
    )
    num_cutoff_to_move_input: float = _parameter(
        "NUM_CUTOFF_TO_MOVE_INPUT", 100, "files", "missing files of an IO-intensive task are fewer"
    )
    max_diskio_default: float = _parameter(
        "MAX_DISKIO_DEFAULT", 1e10, "kB/s",
        "mean disk I/O a core of a queue, where the queue says nothing",
    )  # fmt: skip
    memory_compensation: float = _parameter(
        "MEMORY_COMPENSATION", 0.9, "factor", "factor on the estimated memory of a job"
    )
    min_output_disk_mb: float = _parameter(
        "MIN_OUTPUT_DISK", 500, "MB", "least scratch disk counted for a job's output"
    )
    min_free_storage_gb: float = _parameter(
        "MIN_FREE_STORAGE", 200, "GB", "free space that a queue's storage has more than"
    )
    min_walltime_hours: float = _parameter(
        "MIN_WALLTIME_SCOUT_MERGE", 24, "h", "wall time of a queue that takes scouts and merge jobs"
    )
    high_priority: float = _parameter(
        "HIGH_PRIORITY", 800, "priority", "from here on, jobs go to active queues of the nucleus"
    )
    urgent_priority: float = _parameter(
        "URGENT_PRIORITY", 1000, "priority", "from here on, jobs go over good links only"
    )
    inactive_hours: float = _parameter(
        "INACTIVE_QUEUE", 2, "h", "a queue with activated jobs that starts none for so long is idle"
    )
    no_pilot_hours: float = _parameter(
        "NO_PILOT", 3, "h", "a queue that no pilot was heard from for so long takes no jobs"
    )
    preassigned_skipped_hours: float = _parameter(
        "PREASSIGNED_SKIPPED",
        24,
        "h",
        "pre-assigned queues that were skipped so long are forgotten",
    )
    transferring_limit: float = _parameter(
        "TRANSFERRING_LIMIT", 2000, "jobs", "jobs in transfer, where the queue says nothing"
    )
    nw_threshold: float = _parameter(
        "NW_THRESHOLD", 1.7, "weight", "least network weight for urgent jobs, before the multiplier"
    )
    nw_weight_multiplier: float = _parameter(
        "NW_WEIGHT_MULTIPLIER", 1, "factor", "factor on NW_THRESHOLD"
    )
    queued_over_running: float = _parameter(
        "QUEUED_OVER_RUNNING",
        2,
        "jobs a running one",
        "queued jobs for each running one that fill a queue",
    )
    queued_floor: float = _parameter(
        "QUEUED_FLOOR", 20, "jobs", "so many running jobs are taken for granted: idle queues start"
    )
    expected_run_seconds: float = _parameter(
        "EXPECTED_RUN_TIME", 3600, "s", "run time of a job where nothing is known of it"
    )
    run_time_importance: float = _parameter(
        "RUN_TIME_IMPORTANCE",
        0.1,
        "factor",
        "how much a second of run time counts beside one of waiting",
    )
    bind_ahead_seconds: float = _parameter(
        "BIND_AHEAD", 30, "s", "a job is bound to a queue if it should start there within this time"
    )
    bind_floor: float = _parameter(
        "BIND_FLOOR", 20, "jobs",
        "may wait at a queue whose slots are not known, so that pilots are started",
    )  # fmt: skip
    bind_growth: float = _parameter(
        "BIND_GROWTH", 1, "jobs",
        "may wait beyond the slots that pilots have, where the queue declares none",
    )  # fmt: skip
    rebind_seconds: float = _parameter(
        "REBIND", 300, "s", "what did not start for so long is bound elsewhere, if there is a place"
    )
    expected_mb_per_second: float = _parameter(
        "EXPECTED_MB_PER_SECOND", 10, "MB/s", "speed of a link of which no measurement is known"
    )
    disk_threshold_tb: float = _parameter(
        "DISK_THRESHOLD", 100, "TB", "space that a nucleus keeps free beyond what it expects"
    )
    disk_threshold_tb_by_share: Mapping[str, float] = _parameter(
        "DISK_THRESHOLD_<share>", None, "TB", "the same for one share"
    )
    free_disk_cutoff_tb: float = _parameter(
        "FREE_DISK_CUTOFF", 1000, "TB", "free space of a nucleus beyond this counts no more"
    )
    nqueued_nuc_cap: float = _parameter(
        "NQUEUED_NUC_CAP", 10_000, "files", "files on their way to a nucleus that takes a task"
    )
    input_size_threshold: float = _parameter(
        "INPUT_SIZE_THRESHOLD", 1000, "GB", "input above it is looked for at the nucleus"
    )
    input_size_fraction: float = _parameter(
        "INPUT_SIZE_FRACTION", 10, "%", "part of such input that the nucleus holds more than"
    )
    input_num_threshold: float = _parameter(
        "INPUT_NUM_THRESHOLD", 100, "files", "more input files are looked for at the nucleus"
    )
    input_num_fraction: float = _parameter(
        "INPUT_NUM_FRACTION", 10, "%", "part of so many files that the nucleus holds more than"
    )
    min_io_intensity_with_local_data: float = _parameter(
        "MIN_IO_INTENSITY_WITH_LOCAL_DATA", 200, "kB/s", "tasks above it need a nucleus with input"
    )
    min_input_size_with_local_data: float = _parameter(
        "MIN_INPUT_SIZE_WITH_LOCAL_DATA", 10_000, "GB", "input above it needs a nucleus with input"
    )
    max_task_prio_with_local_data: float = _parameter(
        "MAX_TASK_PRIO_WITH_LOCAL_DATA",
        800,
        "priority",
        "from here on, tasks need no nucleus with input",
    )
    fast_rebro_threshold_nqnr_ratio: float = _parameter(
        "FAST_REBRO_THRESHOLD_NQNR_RATIO",
        3,
        "jobs a running one",
        "a share's queued over running jobs at a queue",
    )
    fast_rebro_threshold_nqueue_frac: float = _parameter(
        "FAST_REBRO_THRESHOLD_NQUEUE_FRAC",
        0.3,
        "fraction",
        "a share's jobs queued there over everywhere",
    )
    fast_rebro_threshold_nqueue: Mapping[str, float] = _parameter(
        "FAST_REBRO_THRESHOLD_NQUEUE_<share>", None, "jobs",
        "a share's jobs queued at a queue; a share without it is not brokered again fast",
    )  # fmt: skip
    rebro_waiting_hours: float = _parameter(
        "REBRO_WAITING", 24, "h", "a job that waits longer is brokered again"
    )
    rebro_status_hours: float = _parameter(
        "REBRO_STATUS", 3, "h", "so are jobs of a queue that is in test or offline for longer"
    )
    rebro_max_times: float = _parameter(
        "REBRO_MAX_TIMES", 3, "times", "a job is moved to another queue so often at most"
    )


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of the configuration table. A name that ends in `_<share>` stands for one a share."""

    name: str
    field: str
    default: float | None
    unit: str
    description: str


def parameters() -> tuple[Parameter, ...]:
    """Every threshold by its documented name."""
    return tuple(
        Parameter(
            name=f.metadata["name"],
            field=f.name,
            default=f.default if isinstance(f.default, (int, float)) else None,
            unit=f.metadata["unit"],
            description=f.metadata["description"],
        )
        for f in fields(Thresholds)
    )


def thresholds(values: Mapping[str, float]) -> Thresholds:
    """The defaults, changed by values under their documented names.

    Raises:
        InvalidRequest: a name is unknown, or a value is no number of zero or more; each named.
    """
    singles = {p.name: p.field for p in parameters() if not p.name.endswith(_BY_SHARE)}
    by_share = {
        p.name.removesuffix("<share>"): p.field for p in parameters() if p.name.endswith(_BY_SHARE)
    }
    chosen: dict[str, Any] = {name: {} for name in by_share.values()}
    faults: list[FieldFault] = []
    for name, value in values.items():
        prefix = next((p for p in by_share if name.startswith(p) and name != p), None)
        if name not in singles and prefix is None:
            known = [*singles, *by_share]
            faults.append(FieldFault(name, repr(value), unknown_name(name, known)))
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_good(value):
            faults.append(FieldFault(name, repr(value), "a number, zero or more"))
        elif name in singles:
            chosen[singles[name]] = value
        elif prefix is not None:
            chosen[by_share[prefix]][name.removeprefix(prefix)] = value
    if faults:
        raise InvalidRequest("thresholds of the brokerage are wrong", faults=faults)
    return Thresholds(**chosen)


def _is_good(value: float) -> bool:
    return isfinite(value) and value >= 0
