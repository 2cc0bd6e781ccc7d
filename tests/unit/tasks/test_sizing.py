"""Job sizing (documentation, 13; spec/lifecycle.md, Job sizing)."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sizing import (
    Bounds,
    Cost,
    Given,
    Offer,
    bounds_at,
    disk_mb,
    given_bounds,
    max_events,
    walltime_seconds,
)


@pytest.mark.parametrize(
    ("cost", "n_events", "input_mb", "needed"),
    [
        # 13: S >= inputDiskCount + max(0.5 GB, outDiskCount x nEvents) + workDiskCount
        (Cost(), 1, 0, 500),
        (Cost(), 1, 2000, 2500),
        (Cost(output_mb_per_event=1), 400, 0, 500),
        (Cost(output_mb_per_event=1), 600, 0, 600),
        (Cost(output_mb_per_event=2, work_disk_mb=300), 1000, 1500, 3800),
    ],
)
def test_disk_that_a_job_takes(cost: Cost, n_events: int, input_mb: float, needed: float) -> None:
    assert disk_mb(cost, n_events, input_mb) == needed


@pytest.mark.parametrize(
    ("offer", "cost", "n_events", "seconds"),
    [
        # 13: W >= cpuTime x nEvents / (C x P x cpuEfficiency) + baseTime
        (Offer(), Cost(cpu_time=90, cpu_efficiency=0.9), 10, 100),
        (Offer(core_count=8), Cost(cpu_time=90, cpu_efficiency=0.9), 80, 100),
        (Offer(core_power=20), Cost(cpu_time=90, cpu_efficiency=0.9), 20, 100),
        (Offer(), Cost(cpu_time=90, base_seconds=60), 10, 160),
        # 15.1: cpuEfficiency 0 disables scaling with the number of events
        (Offer(), Cost(cpu_time=90, cpu_efficiency=0, base_seconds=60), 10, 60),
        (Offer(), Cost(base_seconds=60), 10, 60),
    ],
)
def test_wall_time_that_a_job_takes(
    offer: Offer, cost: Cost, n_events: int, seconds: float
) -> None:
    assert walltime_seconds(offer, cost, n_events) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("offer", "cost", "most"),
    [
        (Offer(), Cost(cpu_time=90), inf),
        (Offer(walltime_seconds=1000), Cost(), inf),
        (Offer(walltime_seconds=1000), Cost(cpu_time=90, cpu_efficiency=0), inf),
        (Offer(walltime_seconds=1000), Cost(cpu_time=90), 100),
        (Offer(walltime_seconds=999), Cost(cpu_time=90), 99),
        (Offer(walltime_seconds=1000, core_count=4), Cost(cpu_time=90), 400),
        (Offer(walltime_seconds=1000), Cost(cpu_time=90, base_seconds=100), 90),
        (Offer(walltime_seconds=50), Cost(cpu_time=90, base_seconds=100), 0),
        (Offer(walltime_seconds=50), Cost(base_seconds=100), 0),
    ],
)
def test_most_events_within_the_wall_time(offer: Offer, cost: Cost, most: float) -> None:
    assert max_events(offer, cost) == most


offers = st.builds(
    Offer,
    disk_mb=st.none() | st.floats(100, 1e6),
    walltime_seconds=st.none() | st.floats(1, 1e6),
    core_count=st.integers(1, 64),
    core_power=st.floats(1, 50),
    reads_directly=st.booleans(),
)
costs = st.builds(
    Cost,
    cpu_time=st.none() | st.floats(0.01, 1e4),
    cpu_efficiency=st.floats(0.05, 1) | st.just(0.0),
    base_seconds=st.floats(0, 1e4),
    output_mb_per_event=st.floats(0, 100),
    work_disk_mb=st.floats(0, 1e4),
)


@given(offers, costs)
def test_most_events_satisfy_the_inequality_and_one_more_does_not(offer: Offer, cost: Cost) -> None:
    most = max_events(offer, cost)
    if most == inf:
        return
    limit = offer.walltime_seconds or 0
    assert most == 0 or walltime_seconds(offer, cost, int(most)) <= limit
    assert walltime_seconds(offer, cost, int(most) + 1) > limit


@given(offers, costs, st.integers(1, 300), st.integers(0, 10**12), st.integers(1, 10**6))
def test_what_the_bounds_hold_satisfies_both_inequalities(
    offer: Offer, cost: Cost, n_files: int, n_bytes: int, n_events: int
) -> None:
    if not bounds_at(offer, cost).hold(n_files, n_bytes, n_events):
        return
    input_mb = 0 if offer.reads_directly else n_bytes / 1e6
    assert offer.disk_mb is None or disk_mb(cost, n_events, input_mb) <= offer.disk_mb
    if offer.walltime_seconds is not None:
        assert walltime_seconds(offer, cost, n_events) <= offer.walltime_seconds


@given(offers, costs, st.floats(0, 1e6))
def test_more_offered_never_makes_a_job_smaller(offer: Offer, cost: Cost, more: float) -> None:
    if offer.walltime_seconds is None:
        return
    wider = Offer(
        walltime_seconds=offer.walltime_seconds + more, core_count=offer.core_count + 1,
        core_power=offer.core_power,
    )  # fmt: skip
    assert max_events(wider, cost) >= max_events(offer, cost)


@pytest.mark.parametrize(
    ("said", "bounds"),
    [
        (Given(), Bounds(max_files=1)),
        (Given(max_files_per_job=7), Bounds(max_files=1)),
        (Given(n_files_per_job=5), Bounds(max_files=5)),
        (Given(n_files_per_job=50, max_files_per_job=7), Bounds(max_files=7)),
        (Given(n_gb_per_job=2.0), Bounds(max_disk_mb=2000)),
        (Given(n_gb_per_job=2.0, max_files_per_job=7), Bounds(max_disk_mb=2000, max_files=7)),
        (Given(n_events_per_job=100), Bounds(max_events=100)),
    ],
)
def test_sizes_are_taken_as_given(said: Given, bounds: Bounds) -> None:
    assert given_bounds(said, Cost()) == bounds


def test_gigabytes_of_a_job_are_input_output_and_work_directory() -> None:
    """13: nGBPerJob is the total size of input/output files and working directory."""
    cost = Cost(output_mb_per_event=10, work_disk_mb=300)
    bounds = given_bounds(Given(n_gb_per_job=1.0), cost)
    assert bounds.hold(1, 500_000_000, 20)
    assert not bounds.hold(1, 500_000_000, 21)
    assert not bounds.hold(1, 500_000_001, 20)


def test_input_that_is_read_where_it_is_takes_no_disk() -> None:
    big = 10**12
    assert not bounds_at(Offer(disk_mb=1000), Cost()).hold(1, big, 1)
    assert bounds_at(Offer(disk_mb=1000, reads_directly=True), Cost()).hold(1, big, 1)
