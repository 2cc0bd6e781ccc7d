"""Jobs are bound just in time: made as places get free, and taken back where they wait in vain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.order import due_at
from tasks.grid_changes import write_grid
from tasks.queue_changes import set_queue, set_queue_status
from tasks.specs import spec_of
from tasks.stages import STAGES
from tasks.stages.rank_queues import rank_queues
from tasks.stages.rebinding import rebind_waiting
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.tables import Task
from tasks.why.task import why_task
from tests.builders import a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import PAST, rows, run_jobs, sql, status, value


@pytest.fixture
def two(books: Books) -> Books:
    """FAST with 3 slots and jobs of 100 s, SLOW with 2 and jobs of an hour; LOCAL is offline."""
    queues = {"FAST": {"site": "LOCAL", "settings": {"n_slots": 3}},
              "SLOW": {"site": "LOCAL", "settings": {"n_slots": 2}}}  # fmt: skip
    with books.write() as session:
        write_grid(session, {"queues": queues})
        set_queue_status(session, "LOCAL", QueueStatus.OFFLINE)
    for name, seconds in (("FAST", 100.0), ("SLOW", 3600.0)):
        sql(books, "INSERT INTO queue_statistics (queue_id, n_defined, n_assigned, n_activated, "
            "n_starting, n_running, n_transferring, n_slots, n_nodes_asking, n_nodes_updating, "
            "most_running, n_runs, history_id, mean_run_seconds, at) "
            "SELECT id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, :seconds, :past FROM queue "
            "WHERE name = :name", name=name, seconds=seconds, past=PAST)  # fmt: skip
    return books


def small_queue(books: Books, **settings: Any) -> None:
    """LOCAL with these settings alone: no slots are declared, unless they are here."""
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", settings)


def limit(books: Books, **values: object) -> None:
    with books.write() as session:
        for name, number in values.items():
            set_value(session, name, str(number), "root")


def bound(books: Books, *task_ids: int) -> dict[str, int]:
    """Jobs that have not ended, by queue."""
    found = rows(books, "SELECT q.name, j.task_id, count(*) FROM job j JOIN queue q "
                 "ON q.id = j.queue_id WHERE j.status NOT IN "
                 "('finished', 'failed', 'closed', 'cancelled') GROUP BY 1, 2")  # fmt: skip
    totals: dict[str, int] = {}
    for name, task_id, count in found:
        if not task_ids or task_id in task_ids:
            totals[name] = totals.get(name, 0) + count
    return totals


def let_wait(books: Books) -> None:
    """What waits has waited for some minutes."""
    past = f"{datetime.now(UTC) - timedelta(seconds=400):%Y-%m-%d %H:%M:%S.%f}"
    past += "" if books.is_sqlite else "+00:00"
    sql(books, "UPDATE job SET created_at = :past WHERE status = 'activated'", past=past)


def finish(books: Books, pilot: int, jobs: Any) -> None:
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)


def test_jobs_are_made_as_places_get_free(two: Books) -> None:
    task_id = a_task(two, n_jobs=12, skip_scouts=True)
    run_stages(two)
    assert bound(two) == {"FAST": 3, "SLOW": 2}
    assert status(two, task_id) == "running"
    assert value(two, "SELECT count(*) FROM file WHERE status = 'ready'") == 7
    run_stages(two)
    assert bound(two) == {"FAST": 3, "SLOW": 2}
    pilot = a_pilot(two, queue="FAST", slots=3, core_count=3, memory_mb=6000)
    jobs = get_work(two, pilot).jobs
    run_stages(two)
    assert bound(two) == {"FAST": 3, "SLOW": 2}
    finish(two, pilot, jobs[:2])
    assert bound(two) == {"FAST": 3, "SLOW": 2}
    finish(two, pilot, jobs[2:])
    while run_jobs(two, pilot):
        pass
    # Nobody is at work at SLOW: it never got more than its slots.
    assert bound(two) == {"SLOW": 2}
    run_jobs(two, a_pilot(two, queue="SLOW"))
    assert status(two, task_id) == "done"


def test_queue_of_unknown_slots_gets_some_jobs_that_pilots_start(books: Books) -> None:
    small_queue(books)
    a_task(books, n_jobs=50, skip_scouts=True)
    run_stages(books)
    assert bound(books) == {"LOCAL": 20}
    limit(books, BIND_FLOOR=30)
    a_task(books, n_jobs=50, skip_scouts=True)
    run_stages(books)
    assert bound(books) == {"LOCAL": 30}


def test_new_pilot_is_news_for_what_waits(books: Books) -> None:
    small_queue(books)
    limit(books, BIND_FLOOR=2)
    a_task(books, n_jobs=50, skip_scouts=True)
    run_stages(books)
    a_pilot(books, slots=8, core_count=8, memory_mb=16_000)
    run_stages(books)
    assert bound(books) == {"LOCAL": 8 + 1}


def test_short_jobs_are_bound_far_ahead_as_soon_as_they_are_seen_to_be_short(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All this within a second, however long it takes.
    monkeypatch.setattr("tasks.stages.berths.monotonic", lambda: 1000.0)
    small_queue(books)
    a_task(books, n_jobs=1000, skip_scouts=True)
    pilot = a_pilot(books, slots=4, core_count=4, memory_mb=8000)
    run_stages(books)
    most = 0
    for _ in range(3):
        run_jobs(books, pilot)
        most = max(most, bound(books).get("LOCAL", 0))
    # Five were bound, then 30 s of what went through the four slots in a second.
    assert most > 25


def test_queue_that_is_full_learns(two: Books) -> None:
    a_task(two, n_jobs=3, site="FAST", skip_scouts=True)
    run_stages(two)
    pilot = a_pilot(two, queue="FAST", core_count=1)
    job = get_work(two, pilot, n_jobs=1).jobs
    let_wait(two)
    a_task(two, n_jobs=9, site="FAST", skip_scouts=True)
    run_stages(two)
    assert bound(two) == {"FAST": 3}
    finish(two, pilot, job)
    finish(two, pilot, get_work(two, pilot, n_jobs=2).jobs)
    # It declares three slots, but was found to have one.
    assert bound(two) == {"FAST": 1}


def test_large_jobs_that_wait_in_vain_do_not_hinder_small_ones(books: Books) -> None:
    small_queue(books)
    a_pilot(books, slots=4, core_count=4, memory_mb=8000)
    large = a_task(books, n_jobs=50, memory_mb=16_000, skip_scouts=True)
    run_stages(books)
    let_wait(books)
    small = a_task(books, n_jobs=50, memory_mb=1000, skip_scouts=True)
    run_stages(books)
    assert (bound(books, large), bound(books, small)) == ({"LOCAL": 20}, {"LOCAL": 5})


def test_urgent_task_does_not_stand_behind_the_others_of_its_share(books: Books) -> None:
    small_queue(books)
    a_task(books, n_jobs=50, skip_scouts=True)
    run_stages(books)
    urgent = a_task(books, n_jobs=5, priority=1100)
    run_stages(books)
    assert bound(books, urgent) == {"LOCAL": 5}
    assert [j.task_id for j in get_work(books, a_pilot(books), n_jobs=1).jobs] == [urgent]


def test_short_work_goes_before_long_work_and_long_work_in_the_end(two: Books) -> None:
    limit(two, BIND_FLOOR=0)
    full = a_task(two, n_jobs=5, site="FAST", skip_scouts=True, priority=1001)
    long = a_task(two, n_jobs=3, site="FAST", walltime_seconds=36_000)
    run_stages(two)
    short = a_task(two, n_jobs=3, site="FAST", walltime_seconds=60)
    run_stages(two)
    assert bound(two, long, short) == {}
    pilot = a_pilot(two, queue="FAST", slots=3, core_count=3, memory_mb=6000)
    order = []
    while jobs := run_jobs(two, pilot):
        order += [job.task_id for job in jobs]
    assert order == [full] * 5 + [short] * 3 + [long] * 3 or order[5:8] == [short] * 3
    assert sorted(order[5:]) == [long] * 3 + [short] * 3


def test_order_of_the_books_is_the_brokers(books: Books) -> None:
    tasks = [a_task(books, walltime_seconds=w) for w in (50_000, 86_400, 30, 7000, 400)]
    run_stages(books, "refine", "feed", "assign")
    for minutes, task_id in enumerate(tasks):
        sql(books, "UPDATE task SET created_at = :at WHERE id = :id", id=task_id,
            at=f"2026-01-01 0{minutes}:00:00.000000+00:00")  # fmt: skip
    with books.read() as session:
        found = [task_id for task_id, _ in STAGES["generate"].candidates(session, 10, None)]
        walltimes = {i: session.get_one(Task, i).walltime_seconds for i in tasks}
    # A wall time that is the default was not declared: it counts as nothing.
    seconds = {i: walltime % 86_400 for i, walltime in walltimes.items()}
    start = datetime(2026, 1, 1).timestamp()
    due = {i: due_at(start + 3600 * n, seconds[i]) for n, i in enumerate(tasks)}
    assert found == sorted(tasks, key=due.__getitem__)


def test_scouts_are_made_though_all_is_full(two: Books) -> None:
    a_task(two, n_jobs=30, skip_scouts=True)
    run_stages(two)
    scouting = a_task(two, n_jobs=100)
    run_stages(two)
    assert sum(bound(two, scouting).values()) == 10
    assert status(two, scouting) == "scouting"


def test_task_that_waits_for_a_place_says_so(two: Books) -> None:
    first, second = a_task(two, n_jobs=9, skip_scouts=True), a_task(two, n_jobs=1)
    run_stages(two)
    assert status(two, second) == "ready"
    with two.read() as session:
        mine, other = why_task(session, first), why_task(session, second)
    full = "all 2 queues are full, next place expected in about 33s"
    assert (other.verdict, other.summary) == ("not yet", full)
    assert mine.summary == "5 waiting for one, 4 input files not in a job yet"
    assert f"further jobs: {full}" in mine.details


def test_task_that_waits_is_not_looked_at_in_vain(two: Books) -> None:
    for _ in range(20):
        a_task(two, n_jobs=4, skip_scouts=True)
    run_stages(two)
    pilot = a_pilot(two, queue="FAST", slots=3, core_count=3, memory_mb=6000)
    jobs = get_work(two, pilot).jobs
    report(two, pilot, a_report(jobs[0]))
    run_stages(two, "collect")
    said = run_stages(two, "generate")
    assert said == ["generate: 1 jobs: 1 at FAST"]


def test_what_waits_in_vain_goes_where_a_slot_is_free(two: Books) -> None:
    for name in ("FAST", "SLOW"):
        a_pilot(two, queue=name)
    task_id = a_task(two, n_jobs=5, skip_scouts=True)
    run_stages(two)
    assert rebind_waiting(two) == ""
    let_wait(two)
    assert rebind_waiting(two) == ""  # nothing is free elsewhere
    pilot = a_pilot(two, queue="FAST", slots=4, core_count=4, memory_mb=8000)
    finish(two, pilot, get_work(two, pilot, n_jobs=4).jobs)
    assert bound(two) == {"SLOW": 2}
    assert rebind_waiting(two) == "2 jobs back to where a slot is free"
    run_stages(two)
    assert bound(two, task_id) == {"FAST": 2}
    why = value(two, "SELECT server_error_diag FROM job WHERE status = 'closed' LIMIT 1")
    assert "and queue FAST has a free slot" in why
    run_jobs(two, pilot)
    assert status(two, task_id) == "done"


@pytest.mark.parametrize("keeps", [False, True])
def test_what_is_wanted_where_it_is_stays(two: Books, keeps: bool) -> None:
    settings = {"n_slots": 2, "disable_reassign": keeps}
    with two.write() as session:
        set_queue_status(session, "FAST", QueueStatus.BROKEROFF)
        write_grid(session, {"queues": {"SLOW": {"site": "LOCAL", "settings": settings}}})
    a_pilot(two, queue="FAST")
    a_task(two, n_jobs=2, site=None if keeps else "SLOW", skip_scouts=True)
    run_stages(two)
    with two.write() as session:
        set_queue_status(session, "FAST", QueueStatus.ONLINE)
    let_wait(two)
    assert rebind_waiting(two) == ""
    assert bound(two) == {"SLOW": 2}


def test_three_moves_at_most(two: Books) -> None:
    for name in ("FAST", "SLOW"):
        a_pilot(two, queue=name)
    task_id = a_task(two, n_jobs=1)
    said = []
    for _ in range(5):
        run_stages(two)
        let_wait(two)
        said.append(rebind_waiting(two))
    assert said == ["1 jobs back to where a slot is free"] * 3 + ["", ""]
    assert sum(bound(two, task_id).values()) == 1


def test_two_processes_bind_no_more_than_there_are_places(two: Books) -> None:
    tasks = [a_task(two, n_jobs=20, skip_scouts=True) for _ in range(4)]
    run_stages(two, "refine", "feed", "assign")
    stage = STAGES["generate"]
    with Books(two.url) as other, ThreadPoolExecutor(4) as pool:
        claims = stage.claim(two, "one", 2), stage.claim(other, "other", 2)
        assert sorted(c.task_id for claim in claims for c in claim) == tasks
        works = [pool.submit(stage.work, books, claim, owner)
                 for books, owner, some in ((two, "one", claims[0]), (other, "other", claims[1]))
                 for claim in some]  # fmt: skip
        assert all(work.result() for work in works)
    assert bound(two) == {"FAST": 3, "SLOW": 2}


def test_places_follow_the_books_within_a_transaction(two: Books) -> None:
    task_id = a_task(two, n_jobs=20, skip_scouts=True)
    run_stages(two, "refine", "feed", "assign")
    with two.read() as session:
        task = session.get_one(Task, task_id)
        found = rank_queues(session, task, spec_of(session, task_id))
    assert found.places == {"FAST": 3, "SLOW": 2}
    assert not found.is_full
