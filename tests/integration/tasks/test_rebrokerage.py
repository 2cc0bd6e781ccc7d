"""Jobs that wait in vain are sent elsewhere, three times at most; nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.grid_changes import write_grid
from tasks.queue_changes import set_queue_status
from tasks.stages.fast_rebrokerage import fast_rebrokerage
from tasks.stages.rebrokerage import close, rebroker_waiting
from tasks.stages.share_counts import count_shares
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tests.builders import a_pilot, a_task, get_work, run_stages
from tests.integration.tasks.scene import PAST, rows, run_to_the_end, sql, value


@pytest.fixture
def two(books: Books) -> Books:
    """LOCAL and OTHER, both online and with a pilot and slots enough."""
    with books.write() as session:
        write_grid(session, {"queues": {"OTHER": {"site": "LOCAL", "settings": {"n_slots": 100}}}})
    a_pilot(books)
    a_pilot(books, queue="OTHER")
    return books


def set_status(books: Books, name: str, status: str) -> None:
    with books.write() as session:
        set_queue_status(session, name, QueueStatus(status))


def at(books: Books, task_id: int) -> dict[str, int]:
    """The task's waiting jobs by queue."""
    return dict(rows(  # type: ignore[arg-type]
        books, "SELECT q.name, count(*) FROM job j JOIN queue q ON q.id = j.queue_id "
        "WHERE j.task_id = :t AND j.status = 'activated' GROUP BY q.name", t=task_id))  # fmt: skip


def a_task_at(books: Books, queue: str, **changes: object) -> int:
    """A task whose jobs all wait at one queue."""
    other = "OTHER" if queue == "LOCAL" else "LOCAL"
    set_status(books, other, "brokeroff")
    task_id = a_task(books, **changes)
    run_stages(books)
    set_status(books, other, "online")
    return task_id


def wait_for_long(books: Books) -> None:
    sql(books, "UPDATE job SET created_at = :past", past=PAST)


def test_what_waits_too_long_is_sent_elsewhere_and_runs(two: Books) -> None:
    task_id = a_task_at(two, "OTHER", n_jobs=20)
    assert rebroker_waiting(two) == ""
    wait_for_long(two)
    set_status(two, "OTHER", "brokeroff")
    assert rebroker_waiting(two) == "20 jobs sent elsewhere"
    run_stages(two)
    assert at(two, task_id) == {"LOCAL": 20}
    why = value(two, "SELECT server_error_diag FROM job WHERE status = 'closed' LIMIT 1")
    assert "waits at queue OTHER for" in why
    run_to_the_end(two)
    assert value(two, "SELECT status FROM task") == "done"


def test_three_times_at_most(two: Books) -> None:
    a_task_at(two, "OTHER", n_jobs=2)
    moved = []
    for _ in range(5):
        wait_for_long(two)
        moved.append(rebroker_waiting(two))
        run_stages(two)
    assert moved == ["2 jobs sent elsewhere"] * 3 + ["", ""]


def test_closed_queue_gives_up_its_jobs_in_time(two: Books) -> None:
    task_id = a_task_at(two, "OTHER", n_jobs=3)
    set_status(two, "OTHER", "offline")
    assert rebroker_waiting(two) == ""  # it may be online again soon
    sql(two, "UPDATE queue SET status_changed_at = :past WHERE name = 'OTHER'", past=PAST)
    assert rebroker_waiting(two) == "3 jobs sent elsewhere"
    run_stages(two)
    assert at(two, task_id) == {"LOCAL": 3}


def test_jobs_stay_that_are_wanted_where_they_are(two: Books) -> None:
    a_task_at(two, "OTHER", site="OTHER")
    a_task_at(two, "LOCAL")
    with two.write() as session:
        write_grid(session, {"queues": {
            "LOCAL": {"site": "LOCAL", "settings": {"disable_reassign": True}}}})  # fmt: skip
    wait_for_long(two)
    assert rebroker_waiting(two) == ""


def test_only_queue_keeps_what_it_has(books: Books) -> None:
    a_task(books)
    run_stages(books)
    wait_for_long(books)
    assert rebroker_waiting(books) == ""


def test_job_that_a_pilot_has_stays(two: Books) -> None:
    a_task_at(two, "OTHER", n_jobs=2)
    pilot = a_pilot(two, queue="OTHER")
    get_work(two, pilot, n_jobs=1)
    wait_for_long(two)
    assert rebroker_waiting(two) == "1 jobs sent elsewhere"


def test_queue_that_vanished_gives_up_its_jobs(two: Books) -> None:
    task_id = a_task_at(two, "OTHER", n_jobs=2)
    sql(two, "UPDATE pilot SET queue_id = 1")
    sql(two, "DELETE FROM queue_storage WHERE queue_id <> 1")
    sql(two, "DELETE FROM queue WHERE name = 'OTHER'")
    assert rebroker_waiting(two) == "2 jobs sent elsewhere"
    run_stages(two)
    assert at(two, task_id) == {"LOCAL": 2}


@pytest.mark.parametrize("settings", [{"disable_reassign": True}, {"n_slots": 100}])
def test_long_line_that_is_meant_is_not_cleared(two: Books, settings: dict[str, Any]) -> None:
    a_task_at(two, "OTHER", n_jobs=12)
    count_shares(two)
    with two.write() as session:
        set_value(session, "FAST_REBRO_THRESHOLD_NQUEUE_default", "10", "root")
        write_grid(session, {"queues": {"OTHER": {"site": "LOCAL", "settings": settings}}})
    assert fast_rebrokerage(two) == ""
    with two.write() as session:
        write_grid(session, {"queues": {"OTHER": {"site": "LOCAL"}}})
    assert fast_rebrokerage(two) == "12 jobs back to brokerage from 1 crowds"


def test_job_that_a_pilot_got_meanwhile_is_left_to_it(two: Books) -> None:
    task_id = a_task_at(two, "LOCAL", n_jobs=2)
    rows_ = rows(two, "SELECT id FROM job WHERE task_id = :t", t=task_id)
    [job] = get_work(two, a_pilot(two), n_jobs=1).jobs
    with two.write() as session:
        assert close(session, {row[0]: "a slot is free" for row in rows_}, "rebind") == 1
    assert value(two, "SELECT status FROM job WHERE id = :i", i=job.job_id) == "sent"
    run_to_the_end(two)
