"""Cores, memory, disk, wall time: PanDA documentation 12.1, checks of step 2."""

from __future__ import annotations

from typing import Any

import pytest

from broker.filters import capacity
from broker.rules import Refusal, Rule
from tests.unit.broker.scene import a_demand, a_queue, a_view

HOUR = 3600


@pytest.mark.parametrize(
    ("rule", "demand", "queue", "refusal"),
    [
        # 9: core count
        (capacity.core_count, {"core_count": 8}, {"core_count": 8}, None),
        (capacity.core_count, {"core_count": 9}, {"core_count": 8},
         Refusal("it offers 8 cores, 9 needed", 8, 9, "cores")),
        (capacity.core_count, {"core_count": 9}, {}, None),
        (capacity.core_count, {"core_count": 1}, {"min_core_count": 8, "core_count": 8},
         Refusal("its jobs have 8 cores or more, 1 needed", 8, 1, "cores")),
        # 11: memory, as asked
        (capacity.memory, {"memory_mb": 2000}, {"max_memory_mb": 2000}, None),
        (capacity.memory, {"memory_mb": 2001}, {"max_memory_mb": 2000},
         Refusal("it offers 2000 MB of memory, 2001 needed", 2000, 2001, "MB of memory")),
        (capacity.memory, {"memory_mb": 500}, {"min_memory_mb": 1000},
         Refusal("its jobs have 1000 MB of memory or more, 500 needed", 1000, 500,
                 "MB of memory")),
        (capacity.memory, {"memory_mb": 10**6}, {}, None),
        # 11: (baseRamCount + ramCount × coreCount) × 0.9
        (capacity.compensated_memory, {"memory_mb": 2222}, {"max_memory_mb": 2000}, None),
        (capacity.compensated_memory, {"memory_mb": 2223}, {"max_memory_mb": 2000},
         Refusal("it offers 2000 MB of memory, 2001 needed", 2000, 2223 * 0.9, "MB of memory")),
        (capacity.compensated_memory,
         {"memory_mb": 1000, "memory_mb_per_core": 500, "core_count": 4},
         {"max_memory_mb": 2600},
         Refusal("it offers 2600 MB of memory, 2700 needed", 2600, 2700.0, "MB of memory")),
        (capacity.compensated_memory, {"memory_mb": 1100}, {"min_memory_mb": 1000},
         Refusal("its jobs have 1000 MB of memory or more, 990 needed", 1000, 990.0,
                 "MB of memory")),
        # 13: scratch disk, as asked
        (capacity.disk, {"disk_mb": 11}, {"max_disk_mb": 10},
         Refusal("it offers 10 MB of scratch disk, 11 needed", 10, 11, "MB of scratch disk")),
        (capacity.disk, {"disk_mb": 10}, {"max_disk_mb": 10}, None),
        # 13: maxwdir / coreCount > input + max(0.5 GB, out × events) + work
        (capacity.scratch_disk, {"input_mb": 1000, "work_disk_mb": 500},
         {"max_disk_mb": 16_000, "core_count": 8},
         Refusal("it offers 2000 MB of scratch disk a core, 2000 needed", 2000.0, 2000.0,
                 "MB of scratch disk a core")),
        (capacity.scratch_disk, {"input_mb": 1000, "work_disk_mb": 499},
         {"max_disk_mb": 16_000, "core_count": 8}, None),
        (capacity.scratch_disk, {"output_mb_per_event": 2, "n_events": 500},
         {"max_disk_mb": 1000},
         Refusal("it offers 1000 MB of scratch disk a core, 1000 needed", 1000.0, 1000.0,
                 "MB of scratch disk a core")),
        (capacity.scratch_disk, {"input_mb": 1000}, {"max_disk_mb": 600, "reads_directly": True},
         None),
        (capacity.scratch_disk, {"input_mb": 1000, "may_read_directly": False},
         {"max_disk_mb": 600, "reads_directly": True},
         Refusal("it offers 600 MB of scratch disk a core, 1500 needed", 600.0, 1500.0,
                 "MB of scratch disk a core")),
        (capacity.scratch_disk, {"input_mb": 10**9}, {}, None),
        # 15: scouts and merge jobs get a day
        (capacity.long_walltime, {"is_scout": True}, {"max_walltime_seconds": 24 * HOUR}, None),
        (capacity.long_walltime, {"is_merge": True}, {"max_walltime_seconds": 23 * HOUR},
         Refusal("it offers 82800 s of wall time for scouts and merge jobs, 86400 needed",
                 23 * HOUR, 24 * HOUR, "s of wall time for scouts and merge jobs")),
        # 16: wall time, asked for as a whole
        (capacity.walltime, {"walltime_seconds": 61}, {"max_walltime_seconds": 60},
         Refusal("it offers 60 s of wall time, 61 needed", 60, 61, "s of wall time")),
        (capacity.walltime, {"walltime_seconds": 60}, {"max_walltime_seconds": 60}, None),
        # 16: cpuTime × nEvents / (C × P × cpuEfficiency) + baseTime < maxtime
        (capacity.walltime,
         {"cpu_seconds_per_event": 90, "n_events": 400, "core_count": 2, "base_seconds": 100},
         {"core_power": 10, "max_walltime_seconds": 2100},
         Refusal("it offers 2100 s of wall time, 2100 needed", 2100, 2100.0, "s of wall time")),
        (capacity.walltime,
         {"cpu_seconds_per_event": 90, "n_events": 400, "core_count": 2, "base_seconds": 100},
         {"core_power": 10, "max_walltime_seconds": 2101}, None),
        (capacity.walltime,
         {"cpu_seconds_per_event": 90, "n_events": 10**6, "cpu_efficiency": 0, "base_seconds": 5},
         {"max_walltime_seconds": 6}, None),
        (capacity.walltime, {"cpu_seconds_per_event": 90, "base_seconds": 5},
         {"max_walltime_seconds": 6, "core_power": 0}, None),
    ],
)  # fmt: skip
def test_capacity(
    rule: Rule, demand: dict[str, Any], queue: dict[str, Any], refusal: Refusal | None
) -> None:
    asked, offered = a_demand(**demand), a_queue(**queue)
    found = rule.refuse(asked, offered, a_view()) if rule.applies(offered) else None
    assert found == refusal


def test_scouts_and_merge_jobs_alone_need_a_day() -> None:
    limits = a_view().thresholds
    assert capacity.long_walltime.concerns(a_demand(is_scout=True), limits)
    assert capacity.long_walltime.concerns(a_demand(is_merge=True), limits)
    assert not capacity.long_walltime.concerns(a_demand(), limits)
