"""Input and storage: PanDA documentation 12.1, checks of step 2."""

from __future__ import annotations

from typing import Any

import pytest

from broker.filters import data
from broker.rules import Rule
from broker.values import InputAt
from tests.unit.broker.scene import a_demand, a_queue, a_view

HEAVY = {"io_intensity_kb_per_second": 201, "total_input_mb": 50_000, "n_input_files": 500}
FAR = "input files are not there and are not moved"


def held(size_mb: float, n_files: int) -> dict[str, Any]:
    return {"input_at": {"CERN-T0": InputAt(size_mb=size_mb, n_files=n_files)}}


@pytest.mark.parametrize(
    ("rule", "demand", "queue", "words"),
    [
        # 7: ioIntensity > 200 kB/s: missing < 10 GB and < 100 files
        (data.missing_input, HEAVY, {},
         "50 GB of input are not there, for an IO-intensive task less than 10 are moved"),
        (data.missing_input, HEAVY | held(40_000, 500), {},
         "10 GB of input are not there, for an IO-intensive task less than 10 are moved"),
        (data.missing_input, HEAVY | held(40_001, 401), {}, ""),
        (data.missing_input, HEAVY | held(40_001, 400), {},
         "100 files of input are not there, for an IO-intensive task less than 100 are moved"),
        (data.missing_input, HEAVY | {"io_intensity_kb_per_second": 200}, {}, ""),
        (data.missing_input, {"io_intensity_kb_per_second": 201}, {}, ""),
        # 7, user tasks: input that is not moved
        (data.local_input, HEAVY, {}, f"500 {FAR}"),
        (data.local_input, HEAVY | held(50_000, 500), {}, ""),
        (data.local_input, HEAVY | held(50_000, 499), {}, f"1 {FAR}"),
        (data.local_input, HEAVY | {"io_intensity_kb_per_second": 200}, {}, ""),
        (data.local_input,
         HEAVY | {"io_intensity_kb_per_second": 0, "may_move_input": False}, {}, f"500 {FAR}"),
        # 8: disk I/O of a core
        (data.disk_io, {"disk_io_kb_per_second": 600},
         {"disk_io_kb_per_second": 501, "max_disk_io_kb_per_second": 500},
         "its jobs read and write 501 kB/s a core, and this task's 600, the limit is 500"),
        (data.disk_io, {"disk_io_kb_per_second": 500},
         {"disk_io_kb_per_second": 501, "max_disk_io_kb_per_second": 500}, ""),
        (data.disk_io, {"disk_io_kb_per_second": 600},
         {"disk_io_kb_per_second": 500, "max_disk_io_kb_per_second": 500}, ""),
        (data.disk_io, {"disk_io_kb_per_second": 600}, {"disk_io_kb_per_second": 10**6}, ""),
        # 12: nothing but direct access
        (data.direct_access, {"must_read_directly": True}, {},
         "its jobs cannot read input where it is"),
        (data.direct_access, {"must_read_directly": True}, {"reads_directly": True}, ""),
        (data.direct_access, {}, {}, ""),
        # 14: more than 200 GB free, no endpoint blacklisted
        (data.free_storage, {}, {"free_storage_gb": 200},
         "it offers 200 GB of free storage, 200 needed"),
        (data.free_storage, {}, {"free_storage_gb": 201}, ""),
        (data.free_storage, {}, {}, ""),
        (data.blocked_storage, {}, {"blocked_storage": "CERN_DATADISK"},
         "its storage CERN_DATADISK is blacklisted"),
        (data.blocked_storage, {}, {}, ""),
    ],
)  # fmt: skip
def test_data(rule: Rule, demand: dict[str, Any], queue: dict[str, Any], words: str) -> None:
    asked, offered, view = a_demand(**demand), a_queue(**queue), a_view()
    concerned = rule.concerns(asked, view.thresholds) and rule.applies(offered)
    found = rule.refuse(asked, offered, view) if concerned else None
    assert ("" if found is None else found.reason) == words


def test_default_limit_of_disk_io_is_a_threshold() -> None:
    view = a_view({"MAX_DISKIO_DEFAULT": 300})
    busy, eager = a_queue(disk_io_kb_per_second=301), a_demand(disk_io_kb_per_second=301)
    assert data.disk_io.refuse(eager, busy, view) is not None
