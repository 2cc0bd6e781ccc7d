"""Any queues and any demands, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from broker.architecture import parse_architecture
from broker.connectivity import Connectivity
from broker.ledger import Ledger
from broker.software import CpuOffer, GpuOffer, Release, Software
from broker.values import Demand, InputAt, Link, Load, Queue
from broker.view import View

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

# With everything that a filter may read: hardware, software, network, storage, what was just sent.

architectures = st.sampled_from(
    ["", "#x86_64", "#arm64", "&nvidia", "x86_64-el9#x86_64&nvidia"]
).map(parse_architecture)
connectivities = st.builds(
    Connectivity, st.sampled_from(["none", "http", "full"]), st.sampled_from(["", "IPv4", "IPv6"])
)
software = st.builds(
    Software,
    platforms=st.sampled_from([(), ("x86_64-el9",)]),
    containers=st.sampled_from([(), ("any",), ("docker://a",)]),
    cvmfs=st.sampled_from([(), ("any",), ("atlas",)]),
    cpu=st.none() | st.builds(CpuOffer, arch=st.sampled_from([(), ("x86_64",), ("excl", "arm64")])),
    gpu=st.none() | st.builds(GpuOffer, vendor=st.sampled_from([("nvidia",), ("nvidia", "excl")])),
)
all_queues = st.lists(
    st.builds(
        Queue,
        name=st.sampled_from([f"Q{i}" for i in range(14)] + ["TEST_Q"]),
        site=st.sampled_from(["S1", "S2"]),
        status=st.sampled_from(["online", "online", "online", "brokeroff"]),
        core_count=limits,
        min_core_count=st.integers(1, 2),
        max_memory_mb=limits,
        max_disk_mb=limits,
        max_walltime_seconds=st.none() | st.sampled_from([5, 100_000]),
        fair_share_policy=st.sampled_from(["", "type=evgen:100%", "type=evgen:0%,type=any:100%"]),
        max_disk_io_kb_per_second=st.none() | st.integers(0, 8),
        transferring_limit=limits,
        connectivity=connectivities,
        software=st.none() | software,
        reads_directly=st.booleans(),
        takes_event_service=st.booleans(),
        takes_ordinary_jobs=st.booleans(),
        takes_dynamic_events=st.booleans(),
        free_storage_gb=st.none() | st.sampled_from([10, 1000]),
        blocked_storage=st.sampled_from(["", "", "DISK"]),
        load=loads,
    ),
    unique_by=lambda q: q.name,
    max_size=14,
)
all_demands = st.builds(
    Demand,
    core_count=st.integers(1, 8),
    memory_mb=st.integers(0, 8),
    memory_mb_per_core=st.integers(0, 2),
    disk_mb=st.integers(0, 8),
    input_mb=st.integers(0, 5000),
    walltime_seconds=st.integers(0, 8),
    cpu_seconds_per_event=st.sampled_from([0, 0, 1000]),
    priority=st.sampled_from([100, 900, 2000]),
    is_scout=st.booleans(),
    is_merge=st.booleans(),
    is_urgent=st.booleans(),
    processing_type=st.sampled_from(["", "evgen"]),
    io_intensity_kb_per_second=st.sampled_from([0, 1000]),
    disk_io_kb_per_second=st.integers(0, 8),
    architecture=architectures,
    container=st.sampled_from(["", "docker://a"]),
    release=st.none() | st.just(Release("Athena", "21", "atlas")),
    connectivity=st.none() | connectivities,
    must_read_directly=st.booleans(),
    is_event_service=st.booleans(),
    has_dynamic_events=st.booleans(),
    excluded_sites=st.frozensets(st.sampled_from(["S2", "Q1"])),
    nucleus=st.none() | st.just("S1"),
    nucleus_only=st.booleans(),
    preassigned_queues=st.sampled_from([frozenset[str](), frozenset({"Q2", "Q3"})]),
    total_input_mb=st.integers(0, 10_000),
    n_input_files=st.integers(0, 100),
    input_at=st.dictionaries(
        st.sampled_from(["S1", "S2"]),
        st.builds(InputAt, size_mb=st.integers(0, 10_000), n_files=st.integers(0, 100)),
    ),
    may_move_input=st.booleans(),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any links, with files on them, and jobs that were sent since the statistics."""
    ledger = Ledger()
    for name in draw(st.lists(st.sampled_from(["Q0", "Q1", "Q2"]), max_size=3)):
        ledger.note(name, draw(counts), 0.0)
    sites = st.sampled_from(["S1", "S2"])
    speeds = st.none() | st.floats(0, 100)
    links = st.builds(
        Link,
        is_blocked=st.booleans(),
        n_files_queued=st.sampled_from([0, 100, 100_000]),
        closeness=st.none() | st.floats(0, 11),
        mb_per_second_last_hour=speeds,
        mb_per_second_last_week=speeds,
    )
    return View(
        links=draw(st.dictionaries(st.tuples(sites, sites), links)),
        n_files_to_nucleus=draw(st.dictionaries(sites, st.sampled_from([0, 10**6]))),
        age_seconds=draw(st.sampled_from([-60.0, 0.0, 900.0])),
        ledger=ledger,
    )
