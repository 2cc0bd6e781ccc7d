"""How many workers each queue should get next, from the books."""

from __future__ import annotations

from tasks.queue_changes import set_queue, set_queue_status
from tasks.stages.pilot_streaming import pilot_streaming, take_workers
from tasks.stages.share_counts import count_shares
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tests.builders import a_pilot, a_task, get_work, run_stages
from tests.integration.tasks.scene import rows


def wanted(books: Books) -> list[tuple[object, ...]]:
    return rows(books, "SELECT q.name, w.resource_type, w.n_workers FROM worker_target w "
                       "JOIN queue q ON q.id = w.queue_id ORDER BY 1, 2")  # fmt: skip


def test_workers_are_wanted_for_what_waits_and_no_idle_pilot_takes(books: Books) -> None:
    with books.write() as session:
        set_queue(session, "BIG", "BIG", {})
    a_task(books, n_jobs=5, site="LOCAL")
    a_task(books, n_jobs=2, core_count=8, memory_mb=8000, site="BIG")
    run_stages(books)
    assert pilot_streaming(books) == "7 workers wanted, at 2 queues"
    assert wanted(books) == [("BIG", "MCORE", 2), ("LOCAL", "SCORE", 5)]
    busy = a_pilot(books, slots=1, memory_mb=2000)
    get_work(books, busy, n_jobs=1)
    a_pilot(books, slots=3, core_count=3, memory_mb=6000)
    count_shares(books)
    assert pilot_streaming(books) == "3 workers wanted, at 2 queues"
    assert wanted(books) == [("BIG", "MCORE", 2), ("LOCAL", "SCORE", 1)]


def test_worker_is_as_big_as_the_biggest_job_that_waits(books: Books) -> None:
    a_task(books, n_jobs=2, memory_mb=500)
    a_task(books, n_jobs=1, memory_mb=1800)
    run_stages(books)
    pilot_streaming(books)
    assert rows(books, "SELECT core_count, memory_mb FROM worker_target") == [(1, 1800)]


def test_workers_that_somebody_starts_are_wanted_no_more(books: Books) -> None:
    a_task(books, n_jobs=5)
    run_stages(books)
    pilot_streaming(books)
    granted = []
    for queue, kind in (("LOCAL", "SCORE"), ("LOCAL", "SCORE"), ("LOCAL", "MCORE"), ("X", "SCORE")):
        with books.write() as session:
            granted.append(take_workers(session, queue, kind, 3))
    assert granted == [3, 2, 0, 0]
    assert wanted(books) == [("LOCAL", "SCORE", 0)]
    pilot_streaming(books)
    assert wanted(books) == [("LOCAL", "SCORE", 5)]  # nobody has signed on


def test_queue_that_is_off_wants_none(books: Books) -> None:
    a_task(books, n_jobs=5)
    run_stages(books)
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus.OFFLINE)
    assert pilot_streaming(books) == ""
    assert wanted(books) == []
