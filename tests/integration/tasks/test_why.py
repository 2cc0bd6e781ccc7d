"""Why a task or a job does not go on: each hindrance in words, with what would help."""

from __future__ import annotations

import pytest

from culm.core.errors import NotFound
from culm.wire.why import JobWhy, TaskWhy
from tasks.queue_changes import set_queue, set_queue_status
from tasks.stages.share_counts import count_shares
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.views.why import job_why, task_why
from tests.builders import a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, run_to_the_end, sql, tell, value


def why(books: Books, task_id: int) -> TaskWhy:
    with books.read() as session:
        return task_why(session, task_id)


def why_job(books: Books) -> JobWhy:
    with books.read() as session:
        return job_why(session, value(books, "SELECT MAX(id) FROM job"))


def queue(books: Books, name: str = "LOCAL", **settings: object) -> None:
    with books.write() as session:
        set_queue(session, name, name, settings)


def a_hindered_task(books: Books, **changes: object) -> int:
    task_id = a_task(books, **changes)
    run_stages(books)
    return task_id


def test_too_much_memory_never_runs_and_less_would_help(books: Books) -> None:
    queue(books, max_memory_mb=4000)
    found = why(books, a_hindered_task(books, memory_mb=8000))
    assert (found.status, found.verdict) == ("pending", "never")
    assert "4000" in found.changes[0]
    assert [(r.rule, r.n_queues, r.passes) for r in found.rules] == [("memory", 1, False)]


def test_too_many_cores_never_run(books: Books) -> None:
    queue(books, core_count=4)
    found = why(books, a_hindered_task(books, core_count=8))
    assert (found.verdict, found.rules[0].rule) == ("never", "core_count")
    assert "4" in found.changes[0]


def test_too_long_a_job_never_runs(books: Books) -> None:
    queue(books, max_walltime_seconds=3600)
    found = why(books, a_hindered_task(books, walltime_seconds=7200))
    assert (found.verdict, found.rules[0].rule) == ("never", "walltime")


def test_queue_that_is_offline_is_not_yet(books: Books) -> None:
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus.OFFLINE)
    found = why(books, a_hindered_task(books))
    assert found.verdict == "not yet"
    assert found.rules[0].passes
    assert "offline" in found.rules[0].example


def test_site_that_does_not_take_it_is_named_and_leaving_it_helps(books: Books) -> None:
    queue(books, "SMALL", max_memory_mb=100)
    found = why(books, a_hindered_task(books, site="SMALL", memory_mb=500))
    assert found.verdict == "never"
    assert {rule.rule for rule in found.rules} >= {"memory"}
    assert any("LOCAL" in change or "site" in change for change in found.changes)


def test_paused_task_says_how_it_goes_on(books: Books) -> None:
    task_id = a_task(books)
    run_stages(books, "refine")
    tell(books, task_id, "pause")
    found = why(books, task_id)
    assert (found.status, found.verdict) == ("paused", "")
    assert f"culm task resume {task_id}" in found.summary


def test_jobs_without_a_pilot_say_so(books: Books) -> None:
    found = why(books, a_hindered_task(books, n_jobs=3))
    assert "3 of 3 jobs wait for a pilot" in found.summary
    assert "no pilot is at work" in found.summary
    assert [(at.queue, at.status, at.n_jobs) for at in found.jobs] == [("LOCAL", "activated", 3)]


def test_jobs_with_pilots_are_told_from_those_that_wait(books: Books) -> None:
    task_id = a_hindered_task(books, n_jobs=2)
    get_work(books, a_pilot(books))
    assert "2 jobs are with pilots" in why(books, task_id).summary


def test_child_waits_for_its_parent(books: Books) -> None:
    parent = a_task(books, outputs=["out"], n_jobs=2)
    run_stages(books)
    name = rows(books, "SELECT name FROM dataset WHERE kind = 'output'")[0][0]
    child = a_hindered_task(books, inputs=[{"datasets": [name]}], parent_task_id=parent)
    assert str(parent) in why(books, child).summary


def test_throttled_share_says_how_much_is_queued(books: Books) -> None:
    with books.write() as session:
        set_value(session, "NQUEUECAP", "1", "root")
    a_hindered_task(books, n_jobs=5)
    count_shares(books)
    found = why(books, a_hindered_task(books, n_jobs=5))
    assert found.status == "throttled"
    assert "queued" in found.summary


def test_new_task_waits_for_the_daemon(books: Books) -> None:
    assert "culm doctor" in why(books, a_task(books)).summary


@pytest.mark.parametrize(
    ("status", "words"), [("broken", "it has ended"), ("exhausted", "culm task avalanche")]
)
def test_ended_task_tells_its_fault_and_what_to_do(books: Books, status: str, words: str) -> None:
    task_id = a_task(books)
    sql(books, "UPDATE task SET status = :status, reason = 'too short' WHERE id = :id",
        id=task_id, status=status)  # fmt: skip
    found = why(books, task_id)
    assert "too short" in found.summary
    assert words in found.summary
    sql(books, "UPDATE task SET status = 'registered', reason = '' WHERE id = :id", id=task_id)


def test_job_that_waits_says_what_is_before_it(books: Books) -> None:
    a_hindered_task(books, priority=1100)
    a_hindered_task(books, priority=900)
    found = why_job(books)
    assert (found.status, found.queue) == ("activated", "LOCAL")
    assert "no pilot is at work" in found.summary
    assert "1 jobs of its share have a higher priority" in found.summary


def test_job_that_runs_failed_or_settles_says_so(books: Books) -> None:
    a_hindered_task(books, max_attempts=1)
    pilot = a_pilot(books)
    (job,) = get_work(books, pilot).jobs
    assert f"sent with pilot {pilot}" in why_job(books).summary
    report(books, pilot, a_report(job, "failed", pilot_error_code=1305, pilot_error_diag="boom"))
    assert "being settled" in why_job(books).summary
    run_to_the_end(books)
    assert why_job(books).summary == "it is failed: boom"


def test_nothing_is_found_where_nothing_is(books: Books) -> None:
    with books.read() as session, pytest.raises(NotFound, match="no task 10000009"):
        task_why(session, 10_000_009)
    with books.read() as session, pytest.raises(NotFound, match="no job 7"):
        job_why(session, 7)
