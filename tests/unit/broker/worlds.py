"""Any queues and any demands, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from broker.values import Demand, Load, Queue

limits = st.none() | st.integers(1, 8)
counts = st.integers(0, 50)
loads = st.builds(
    Load,
    n_defined=counts,
    n_assigned=counts,
    n_activated=counts,
    n_starting=counts,
    n_running=counts,
    n_transferring=st.sampled_from([0, 0, 5000]),
    n_batch_jobs=counts,
    n_slots=st.none() | counts,
    most_running=counts,
    mean_run_seconds=st.none() | st.integers(0, 10_000),
    last_start_seconds_ago=st.none() | st.integers(0, 10_000),
    last_pilot_seconds_ago=st.none() | st.integers(0, 20_000),
)
queues = st.lists(
    st.builds(
        Queue,
        name=st.sampled_from([f"Q{i}" for i in range(14)] + ["TEST_Q"]),
        site=st.sampled_from(["S1", "S2"]),
        status=st.sampled_from(["online", "online", "offline", "paused"]),
        core_count=limits,
        max_memory_mb=limits,
        max_walltime_seconds=limits,
        load=loads,
    ),
    unique_by=lambda q: q.name,
    max_size=14,
)
demands = st.builds(
    Demand,
    core_count=st.integers(1, 8),
    memory_mb=st.integers(0, 8),
    walltime_seconds=st.integers(0, 8),
    priority=st.sampled_from([100, 900, 2000]),
    is_scout=st.booleans(),
    nucleus=st.none() | st.just("S1"),
    site=st.none() | st.sampled_from(["S1", "Q3"]),
    excluded_sites=st.frozensets(st.sampled_from(["S2", "Q1"])),
)
