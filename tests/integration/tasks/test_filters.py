"""Each of the 24 steps of production brokerage refuses in the server, on real rows.

The numbers are those of spec/broker.md. A queue, Q, is at a satellite of the nucleus CERN, and
takes the task; then one thing is another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tasks.grid_changes import write_grid
from tasks.stages.queue_statistics import queue_statistics
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.tables import Decision
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, run_jobs, sql
from tests.integration.tasks.search_scene import SPACE

Happens = Callable[[Books], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is other than in the plain scene, and the rule that must refuse Q."""

    rule: str
    queue: dict[str, Any] = field(default_factory=dict)
    asks: dict[str, Any] = field(default_factory=dict)
    storage: dict[str, Any] = field(default_factory=dict)
    link: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    before: Happens | None = None
    name: str = "Q"
    preset: str = "production"
    has_pilot: bool = True


def grid(books: Books, case: Case) -> None:
    """CERN, a nucleus with a queue; SAT with the queue of the case."""
    settings = {k: v for k, v in case.queue.items() if k != "status"}
    document = {
        "sites": {"CERN": {"is_nucleus": True}, "SAT": {}, "BNL": {}},
        "endpoints": {
            "CERN_DISK": {"site": "CERN", "url": "https://c.example/", "free_gb": 10**6},
            "SAT_DISK": {"site": "SAT", "url": "https://s.example/", "free_gb": 10**6}
            | case.storage,
        },
        "queues": {
            "CERN": {"site": "CERN"},
            case.name: {"site": "SAT", "settings": settings,
                        "status": case.queue.get("status", "online")},
        },
        "links": [{"source": "SAT", "destination": "CERN"} | case.link],
    }  # fmt: skip
    with books.write() as session:
        write_grid(session, document)
        for activity in ("managed", "user"):
            set_value(session, f"BROKERAGE_PRESET_{activity}", case.preset, "root")


def brokered(books: Books, case: Case) -> dict[str, str]:
    """The rule by which each queue was refused, as the decision kept it; `taken` if it was not."""
    grid(books, case)
    for queue in ("CERN", case.name)[: 2 if case.has_pilot else 1]:
        a_pilot(books, queue=queue)
    if case.before is not None:
        case.before(books)
    asks = {"activity": "managed", "priority": 500, "nucleus": "CERN"} | case.asks
    if case.files:
        name = a_dataset(books, **case.files)
        sql(books, "UPDATE replica SET endpoint_id = "
                   "(SELECT id FROM storage_endpoint WHERE name = 'CERN_DISK')")  # fmt: skip
        asks |= {"command": "cat %IN", "inputs": [{"datasets": [name]}]}
    task_id = a_task(books, **{k: v for k, v in asks.items() if v is not None})
    run_stages(books, "refine", "feed", "assign")
    if case.rule == "preassigned":
        sql(books, "INSERT INTO preassignment (task_id, queue_id, at) SELECT :t, id, "
                   "CURRENT_TIMESTAMP FROM queue WHERE name = 'CERN'", t=task_id)  # fmt: skip
    run_stages(books, "generate")
    return decision(books, task_id)


def decision(books: Books, task_id: int) -> dict[str, str]:
    with books.read() as session:
        kept = session.get_one(Decision, task_id)
        refused = {r["queue"]: str(r["rule"]) for r in kept.rejections}
        return {r["queue"]: "taken" for r in kept.ranking} | refused


def statistics(**counts: int) -> Happens:
    """Other counts in the statistics of all queues."""

    def happens(books: Books) -> None:
        queue_statistics(books)
        changes = ", ".join(f"{name} = {count}" for name, count in counts.items())
        sql(books, f"UPDATE queue_statistics SET {changes}")

    return happens


def jobs_at(site: str, n_jobs: int) -> Happens:
    """So many jobs wait there."""

    def happens(books: Books) -> None:
        a_task(books, site=site, n_jobs=n_jobs, skip_scouts=True)
        run_stages(books)

    return happens


def backlog(books: Books) -> None:
    """Many files are on their way to CERN, from elsewhere."""
    with books.write() as session:
        write_grid(session, {"links": [
            {"source": "BNL", "destination": "CERN", "n_files_queued": 10_001}]})  # fmt: skip


HERE = {"nucleus": "SAT"}
CASES: list[tuple[str, Case]] = [
    ("1 site", Case(rule="pinned", asks={"site": "CERN"})),
    ("1 excludedSite", Case(rule="excluded", asks={"excluded_sites": ["Q"]})),
    ("1 kind", Case(rule="queue_kind", queue={"kind": "analysis"})),
    ("1 kind of a user's", Case(rule="queue_kind", queue={"kind": "production"},
                                asks={"activity": None, "priority": 900, "nucleus": "SAT"})),
    ("1 test in the name", Case(rule="test_queue", name="Q_Test")),
    ("1 pre-assigned", Case(rule="preassigned")),
    ("2 online", Case(rule="online", queue={"status": "brokeroff"})),
    ("3 link blocked", Case(rule="link_blocked", link={"is_blocked": True})),
    ("3 NQUEUED_SAT_CAP", Case(rule="link_backlog", link={"n_files_queued": 151})),
    ("3 NQUEUED_NUC_CAP_FOR_JOBS", Case(rule="nucleus_backlog", before=backlog)),
    ("4 priority 800", Case(rule="nucleus_first", asks={"priority": 800})),
    ("4 scouts", Case(rule="nucleus_first", asks={"n_jobs": 30})),
    ("5 inactive", Case(rule="inactive", asks=HERE | {"priority": 800}, before=jobs_at("Q", 2))),
    ("5 inactive, scouts", Case(rule="inactive", asks=HERE | {"n_jobs": 30},
                                before=jobs_at("Q", 2))),
    ("6 zero share", Case(rule="zero_share", queue={"fair_share_policy": "type=evgen:100%"})),
    ("7 missing size", Case(rule="missing_input", asks={"walltime_seconds": 3600},
                            files={"n_files": 10, "size_bytes": 2 * 10**9})),
    ("7 missing files", Case(rule="missing_input",
                             asks={"walltime_seconds": 200, "skip_scouts": True},
                             files={"n_files": 101, "size_bytes": 5 * 10**7})),
    ("7 users' input", Case(rule="local_input", preset="analysis",
                            asks={"walltime_seconds": 200, "activity": None, "priority": 900},
                            files={"n_files": 5, "size_bytes": 5 * 10**7})),
    ("9 core count", Case(rule="core_count", queue={"core_count": 4}, asks={"core_count": 8})),
    ("10 CPU", Case(rule="hardware", queue={"software": {"cpu": {"arch": ["aarch64"]}}},
                    asks={"architecture": "x86_64-el9#x86_64"})),
    ("10 GPU", Case(rule="hardware", queue={"software": {}}, asks={"architecture": "&nvidia"})),
    ("10 excl", Case(rule="hardware", queue={"software": {"gpu": {"vendor": ["nvidia", "excl"]}}})),
    ("10 container", Case(rule="container", queue={"software": {"containers": ["/cvmfs/x"]}},
                           asks={"container_image": "docker://alpine"})),
    ("10 container of a search", Case(
        rule="container", queue={"software": {"containers": ["/cvmfs/x"]}},
        asks={"search": {"space": SPACE, "evaluation_container": "docker://alpine"}})),
    ("11 memory", Case(rule="compensated_memory", queue={"max_memory_mb": 1799})),
    ("12 direct access", Case(rule="direct_access", asks={"direct_access_only": True},
                              files={"n_files": 1})),
    ("13 disk asked for", Case(rule="disk", queue={"max_disk_mb": 9999})),
    ("13 disk expected", Case(rule="scratch_disk", queue={"max_disk_mb": 12_000, "core_count": 8},
                              asks={"work_disk_mb": 1001})),
    ("14 free storage", Case(rule="free_storage", storage={"free_gb": 200})),
    ("14 blacklisted", Case(rule="blocked_storage", storage={"is_blacklisted": True})),
    ("15 scouts", Case(rule="long_walltime", queue={"max_walltime_seconds": 86_399},
                       asks=HERE | {"n_jobs": 30, "walltime_seconds": 60})),
    ("16 wall time", Case(rule="walltime", queue={"max_walltime_seconds": 86_400},
                          asks={"walltime_seconds": 60, "cpu_time": 8, "n_events": 97_200,
                                "n_events_per_job": 97_200})),
    ("17 connectivity", Case(rule="connectivity", queue={"connectivity": "none"},
                             asks={"ip_connectivity": "http"})),
    ("18 events only", Case(rule="event_service", queue={"takes_ordinary_jobs": False})),
    ("19 transferring", Case(rule="transferring", before=statistics(n_transferring=2001))),
    ("20 t1Weight", Case(rule="nucleus_only", asks={"t1_weight": -1})),
    ("21 no pilot", Case(rule="no_pilot", has_pilot=False)),
    ("22 urgent", Case(rule="slow_network", link={"closeness": 11},
                       asks={"processing_type": "urgent"})),
    ("23 activated", Case(rule="many_activated", before=jobs_at("Q", 41))),
    ("24 queued", Case(rule="many_queued", before=statistics(n_defined=41))),
]  # fmt: skip


def test_plain_queue_takes_the_task(books: Books) -> None:
    assert brokered(books, Case(rule=""))["Q"] == "taken"


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
def test_each_filter_refuses_in_the_server(books: Books, case: Case) -> None:
    assert brokered(books, case)[case.name] == case.rule


def test_8_disk_io_that_pilots_measured_keeps_the_rest_away(books: Books) -> None:
    """Scouts read and write 400 kB/s a core where the queue has had enough with 300."""
    case = Case(rule="disk_io", queue={"max_disk_io_kb_per_second": 300})
    grid(books, case)
    pilots = {queue: a_pilot(books, queue=queue) for queue in ("CERN", "Q")}
    task_id = a_task(books, n_jobs=30, nucleus="SAT", activity="managed", priority=500)
    run_stages(books)
    measured = {"wall_seconds": 1000.0, "read_mb": 300.0, "write_mb": 100.0, "cpu_seconds": 900.0}
    jobs = get_work(books, pilots["Q"]).jobs
    report(books, pilots["Q"], *(a_report(job, metrics=measured) for job in jobs))
    run_stages(books, "collect")
    queue_statistics(books)
    run_stages(books)
    assert decision(books, task_id) == {"CERN": "taken", "LOCAL": "no_pilot", "Q": "disk_io"}
    queue_statistics(books)  # counts none of them twice
    while run_jobs(books, pilots["CERN"]):
        pass


def test_scouts_that_were_short_open_queues_of_short_jobs(books: Books) -> None:
    """16: the CPU time of an event is learnt; jobs ask for no more than the queue lets them."""
    grid(books, Case(rule="", queue={"max_walltime_seconds": 7200}))
    sql(books, "UPDATE queue SET status = 'offline' WHERE name = 'LOCAL'")
    pilots = {queue: a_pilot(books, queue=queue) for queue in ("CERN", "Q")}
    task_id = a_task(books, n_jobs=30, n_events_per_job=20, nucleus="CERN", activity="managed",
                     priority=500)  # fmt: skip
    run_stages(books)
    assert decision(books, task_id)["Q"] == "nucleus_first"
    jobs = get_work(books, pilots["CERN"]).jobs
    measured = {"wall_seconds": 600.0, "cpu_seconds": 550.0, "n_events": 20}
    report(books, pilots["CERN"], *(a_report(job, metrics=measured) for job in jobs))
    run_stages(books)
    assert decision(books, task_id)["Q"] == "taken"
    at_q = get_work(books, pilots["Q"], minutes_left=121.0).jobs
    assert {job.walltime_seconds for job in at_q} == {7200}
    # One ran out of time there: it is tried again where it has all that it asks for.
    short = a_report(at_q[0], "failed", pilot_error_code=1213)
    report(books, pilots["Q"], short, *(a_report(job) for job in at_q[1:]))
    run_stages(books)
    again = rows(books, "SELECT q.name, j.walltime_seconds FROM job j "
                        "JOIN queue q ON q.id = j.queue_id "
                        "WHERE j.retry_of = :old", old=at_q[0].job_id)  # fmt: skip
    assert again == [("CERN", 86_400)]
    while run_jobs(books, pilots["CERN"]):
        pass
