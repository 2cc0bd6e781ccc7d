"""Jobs without news, and places that swallow work (documentation, 12.1.3; reliability.md, 14)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tasks.stages.rests import rest_black_holes, resting
from tasks.stages.service import beat
from tasks.stages.timeouts import quiet_jobs
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.store.moves import database_time
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import PAST, rows, run_to_the_end, sql, status, value


def in_the_past(books: Books, column: str = "modified_at") -> None:
    sql(books, f"UPDATE job SET {column} = :past", past=PAST)


def job_states(books: Books) -> list[str]:
    return [row[0] for row in rows(books, "SELECT status FROM job ORDER BY id")]


@pytest.fixture(autouse=True)
def answering(books: Books) -> None:
    with books.write() as session:
        beat(session, "test")


def test_job_that_nobody_starts_goes_back_to_brokerage(books: Books) -> None:
    task_id = a_task(books, max_attempts=1)
    run_stages(books)
    assert quiet_jobs(books) == ""
    in_the_past(books)
    assert quiet_jobs(books).startswith("1 jobs back to brokerage")
    assert "its queue starts nothing" in value(books, "SELECT server_error_diag FROM job")
    assert quiet_jobs(books) == ""
    run_stages(books)
    assert job_states(books) == ["closed", "activated"]
    run_to_the_end(books)
    assert status(books, task_id) == "done"


@pytest.mark.parametrize("how", ["paused", "disable_reassign"])
def test_queue_that_is_exempt_keeps_its_jobs(books: Books, how: str) -> None:
    a_task(books)
    run_stages(books)
    if how == "paused":
        sql(books, "UPDATE queue SET status = 'paused'")
    else:
        sql(books, "UPDATE queue SET settings = :s", s=json.dumps({"disable_reassign": True}))
    in_the_past(books)
    assert quiet_jobs(books) == ""
    assert job_states(books) == ["activated"]


@pytest.mark.parametrize(("workflow", "said"), [
    pytest.param("push", "0 jobs back to brokerage, 1 failed: no news for too long", id="its own"),
    pytest.param("pull_ups", "", id="another's"),
])  # fmt: skip
def test_heartbeat_timeout_may_differ_by_the_queues_workflow(
    books: Books, workflow: str, said: str
) -> None:
    a_task(books)
    run_stages(books)
    pilot = a_pilot(books)
    [job] = get_work(books, pilot).jobs
    report(books, pilot, a_report(job, "running"))
    sql(books, "UPDATE queue SET settings = :s", s=json.dumps({"workflow": "push"}))
    with books.write() as session:
        set_value(session, f"HEARTBEAT_TIMEOUT_{workflow}", "1", "root")
        ago = database_time(session) - timedelta(seconds=60)
    sql(books, "UPDATE job SET modified_at = :ago", ago=ago.strftime("%Y-%m-%d %H:%M:%S.%f"))
    assert quiet_jobs(books) == said


def test_job_that_runs_for_too_long_fails_without_spending_an_attempt(books: Books) -> None:
    task_id = a_task(books, max_attempts=1)
    run_stages(books)
    pilot = a_pilot(books)
    [job] = get_work(books, pilot).jobs
    report(books, pilot, a_report(job, "running"))
    in_the_past(books, "started_at")
    assert quiet_jobs(books) == "0 jobs back to brokerage, 1 failed: no news for too long"
    assert report(books, pilot, a_report(job, "running", 2))[0].instruction == "forget"
    run_to_the_end(books, pilot)
    assert (job_states(books), status(books, task_id)) == (["failed", "finished"], "done")


def test_jobs_at_a_queue_that_vanished_are_timed_as_anywhere(books: Books) -> None:
    a_task(books)
    run_stages(books)
    sql(books, "UPDATE job SET queue_id = 999")
    in_the_past(books)
    assert quiet_jobs(books).startswith("1 jobs back to brokerage")


def test_deaf_server_times_nothing_out(books: Books) -> None:
    a_task(books)
    run_stages(books)
    in_the_past(books)
    sql(books, "UPDATE schedule_run SET ended_at = :past WHERE name = 'server'", past=PAST)
    assert quiet_jobs(books) == ""
    assert job_states(books) == ["activated"]


def test_node_that_fails_jobs_fast_rests(books: Books) -> None:
    data = a_dataset(books, 20)
    a_task(books, inputs=[{"datasets": [data]}], command="true", max_attempts=50)
    run_stages(books)
    good, bad = a_pilot(books, host="good"), a_pilot(books, host="bad")
    fine = get_work(books, good, n_jobs=5).jobs
    report(books, good, *(a_report(job, node="good") for job in fine))
    failing = [a_report(job, "failed", pilot_error_code=1305, node="bad")
               for job in get_work(books, bad, n_jobs=12).jobs]  # fmt: skip
    report(books, bad, *failing)
    run_stages(books, "collect")
    assert rest_black_holes(books) == "1 black holes rest"
    with books.read() as session:
        [place] = resting(session)
    assert (place.node, place.reason[:20]) == ("bad", "12 of 12 jobs failed")
    assert rest_black_holes(books) == ""
    sql(books, "UPDATE rest SET until = :past", past=PAST)
    with books.read() as session:
        assert resting(session) == []


def test_task_that_fails_everywhere_rests_nobody(books: Books) -> None:
    a_task(books, n_jobs=20, max_attempts=50)
    run_stages(books)
    for host in ("one", "two"):
        pilot = a_pilot(books, host=host)
        report(books, pilot, *(a_report(job, "failed", pilot_error_code=1305, node=host)
                               for job in get_work(books, pilot, n_jobs=10).jobs))  # fmt: skip
    run_stages(books, "collect")
    assert rest_black_holes(books) == ""


def test_queue_that_rests_is_not_chosen_and_says_why(books: Books) -> None:
    words = "30 of 30 jobs failed within 60 s"
    sql(books, "INSERT INTO rest (queue_id, node, until, reason) "
        "VALUES (1, '', '2999-01-01 00:00:00.000000', :words)", words=words)  # fmt: skip
    task_id = a_task(books)
    run_stages(books)
    assert status(books, task_id) == "pending"
    reason = value(books, "SELECT reason FROM task")
    assert "LOCAL: it is at rest: 30 of 30 jobs failed" in reason
