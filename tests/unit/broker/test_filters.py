"""Each filter: whom it refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from broker import filters
from broker.filters import GENERIC, Filter
from broker.values import Demand, Queue


def a_queue(**changes: Any) -> Queue:
    return Queue(**({"name": "CERN", "site": "CERN-T0"} | changes))


@pytest.mark.parametrize(
    ("rule", "demand", "queue", "reason"),
    [
        (filters.pinned, {}, {}, ""),
        (filters.pinned, {"site": "CERN"}, {}, ""),
        (filters.pinned, {"site": "CERN-T0"}, {}, ""),
        (filters.pinned, {"site": "BNL"}, {}, "the task asks for BNL"),
        (filters.excluded, {"excluded_sites": frozenset({"BNL"})}, {}, ""),
        (filters.excluded, {"excluded_sites": frozenset({"CERN"})}, {}, "the task excludes CERN"),
        (filters.excluded, {"excluded_sites": frozenset({"CERN", "CERN-T0"})}, {},
         "the task excludes CERN, CERN-T0"),
        (filters.test_queue, {}, {"name": "CERN_Test"}, "it is a test queue"),
        (filters.test_queue, {"site": "CERN_Test"}, {"name": "CERN_Test"}, ""),
        (filters.test_queue, {}, {}, ""),
        (filters.online, {}, {"status": "online"}, ""),
        *((filters.online, {}, {"status": status}, f"it is {status}")
          for status in ("offline", "test", "brokeroff", "paused")),
        (filters.core_count, {"core_count": 8}, {"core_count": 8}, ""),
        (filters.core_count, {"core_count": 9}, {"core_count": 8}, "it offers 8 cores, 9 needed"),
        (filters.core_count, {"core_count": 9}, {}, ""),
        (filters.memory, {"memory_mb": 2000}, {"max_memory_mb": 2000}, ""),
        (filters.memory, {"memory_mb": 2001}, {"max_memory_mb": 2000},
         "it offers 2000 MB of memory, 2001 needed"),
        (filters.disk, {"disk_mb": 11}, {"max_disk_mb": 10},
         "it offers 10 MB of scratch disk, 11 needed"),
        (filters.disk, {"disk_mb": 10}, {"max_disk_mb": 10}, ""),
        (filters.walltime, {"walltime_seconds": 61}, {"max_walltime_seconds": 60},
         "it offers 60 s of wall time, 61 needed"),
        (filters.walltime, {"walltime_seconds": 60}, {"max_walltime_seconds": 60}, ""),
    ],
)  # fmt: skip
def test_filter(rule: Filter, demand: dict[str, Any], queue: dict[str, Any], reason: str) -> None:
    assert rule(Demand(**demand), a_queue(**queue)) == reason


def test_every_filter_is_in_the_list_under_its_own_name() -> None:
    assert [name for name, _ in GENERIC] == [rule.__name__ for _, rule in GENERIC]
