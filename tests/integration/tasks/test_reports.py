"""Reports: twice, late, out of order, from zombies; and leases that run out (faults 6 to 8)."""

from __future__ import annotations

from threading import Thread

import pytest

from culm.wire.job_spec import JobSpec
from culm.wire.reports import Instruction, JobMetrics, OutputFile
from tasks.lifecycles import JobEvent
from tasks.stages.reports import take_reports
from tasks.stages.service import beat
from tasks.stages.settle import settle_failed
from tasks.stages.watchdogs import gone_pilots, lost_jobs
from tasks.store.books import Books
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why, move_jobs
from tasks.store.topics import Topic
from tasks.store.wakeups import Waker
from tasks.tables import Task
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import (
    PAST,
    end_pauses,
    expire_leases,
    rows,
    run_to_the_end,
    sql,
    status,
    tell,
    value,
)

FORGET = Instruction.FORGET


def one_job(books: Books, **changes: object) -> tuple[int, JobSpec, int]:
    """(task, job, pilot): the only job of a task, sent to a pilot."""
    values = {"outputs": ["out"], "max_attempts": 1} | changes
    task_id = a_task(books, **values)
    run_stages(books)
    pilot = a_pilot(books)
    return task_id, get_work(books, pilot).jobs[0], pilot


def told(books: Books, pilot: int, *reports: object) -> list[str]:
    return [str(a.instruction) for a in report(books, pilot, *reports)]  # type: ignore[arg-type]


def job_row(books: Books, job: JobSpec) -> tuple[object, ...]:
    return rows(books, "SELECT status, report_nr, reported_state FROM job WHERE id = :i",
                i=job.job_id)[0]  # fmt: skip


def test_each_report_twice_changes_nothing(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    for state, nr in (("starting", 1), ("running", 2), ("finished", 3)):
        assert told(books, pilot, a_report(job, state, nr)) == ["go_on"]
        before = job_row(books, job)
        assert told(books, pilot, a_report(job, state, nr)) == ["go_on"]
        assert job_row(books, job) == before
    run_stages(books)
    assert told(books, pilot, a_report(job, "finished", 3)) == ["go_on"]
    assert (status(books, task_id), job_row(books, job)[0]) == ("done", "finished")
    assert value(books, "SELECT COUNT(*) FROM refused_report") == 0


def test_reports_out_of_order_in_one_batch(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    batch = [
        a_report(job, "finished", 3),
        a_report(job, "starting", 1),
        a_report(job, "running", 2),
    ]
    assert told(books, pilot, *batch) == ["go_on"] * 3
    assert job_row(books, job) == ("holding", 3, "finished")
    run_stages(books)
    assert status(books, task_id) == "done"


def test_final_report_before_running_counts(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    told(books, pilot, a_report(job))
    told(books, pilot, a_report(job, "running", 2))
    run_stages(books)
    assert (status(books, task_id), job_row(books, job)[0]) == ("done", "finished")


def test_empty_final_then_a_full_one_counts_as_the_full_one(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    told(books, pilot, a_report(job, "finished", 1, outputs=()))
    told(books, pilot, a_report(job, "finished", 2))
    run_stages(books)
    assert status(books, task_id) == "done"
    assert rows(books, "SELECT size_bytes, adler32 FROM catalog_file") == [(10, "0000000a")] * 2


def test_finished_without_its_outputs_is_a_failure_of_ours(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    told(books, pilot, a_report(job, outputs=()))
    run_stages(books)
    diag = rows(books, "SELECT status, server_error_code, server_error_diag FROM job "
                "WHERE id = :i", i=job.job_id)[0]  # fmt: skip
    names = ", ".join(sorted(out.lfn for out in job.outputs))
    assert diag == ("failed", 104, f"not in storage: {names}")
    assert status(books, task_id) == "running"
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_output_that_is_not_the_jobs_is_left_out(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    stray = OutputFile(lfn="stray", size_bytes=1, adler32="00000001")
    full = a_report(job)
    told(books, pilot, a_report(job, outputs=(*full.outputs, stray)))
    run_stages(books)
    assert status(books, task_id) == "done"
    assert value(books, "SELECT COUNT(*) FROM catalog_file WHERE lfn = 'stray'") == 0


@pytest.mark.parametrize("ended", [False, True])
def test_zombie_is_told_to_forget_while_the_next_attempt_runs_or_has_ended(
    books: Books, ended: bool
) -> None:
    task_id, first, zombie = one_job(books)
    told(books, zombie, a_report(first, "running"))
    assert expire_leases(books) == "1 jobs lost"
    run_stages(books)
    pilot = a_pilot(books)
    second = get_work(books, pilot).jobs[0]
    assert second.attempt_nr == 2
    if ended:
        told(books, pilot, a_report(second))
        run_stages(books)
    assert told(books, zombie, a_report(first, nr=2)) == ["forget"]
    # Even with the new attempt's number: it is another pilot's.
    assert told(books, zombie, a_report(second, nr=9)) == ["forget"]
    run_stages(books)
    if not ended:
        told(books, pilot, a_report(second))
        run_stages(books)
    assert status(books, task_id) == "done"
    assert [r[0] for r in rows(books, "SELECT reason FROM refused_report ORDER BY id")] == [
        f"job {first.job_id} is failed", f"job {second.job_id} is not bound to pilot {zombie}",
    ]  # fmt: skip
    assert value(books, "SELECT COUNT(*) FROM catalog_file") == 2


def test_old_attempts_number_is_refused(books: Books) -> None:
    _, job, pilot = one_job(books)
    answer = report(books, pilot, a_report(job, attempt_nr=7), a_report(job, job_id=999))
    assert [(a.instruction, a.reason) for a in answer] == [
        (FORGET, "attempt 7 is not this job's: its attempt is 1"), (FORGET, "no such job"),
    ]  # fmt: skip
    assert job_row(books, job)[0] == "sent"


def test_heartbeat_renews_the_lease(books: Books) -> None:
    _, job, pilot = one_job(books)
    sql(books, "UPDATE job SET lease_expires_at = :past", past=PAST)
    told(books, pilot, a_report(job, "running"))
    with books.write() as session:
        beat(session, "test")
    sql(books, "UPDATE schedule_run SET started_at = :past", past=PAST)
    assert lost_jobs(books) == ""
    assert job_row(books, job)[0] == "running"


def test_deaf_server_expires_no_leases(books: Books) -> None:
    _, job, _ = one_job(books)
    sql(books, "UPDATE job SET lease_expires_at = :past", past=PAST)
    assert "while no server answered" in lost_jobs(books)
    with books.write() as session:
        beat(session, "just started")
    assert "while no server answered" in lost_jobs(books)
    sql(books, "UPDATE schedule_run SET ended_at = :past, started_at = :past", past=PAST)
    assert "while no server answered" in lost_jobs(books)
    with books.write() as session:
        beat(session, "back after a gap")
    assert "while no server answered" in lost_jobs(books)
    assert job_row(books, job)[0] == "sent"
    assert expire_leases(books) == "1 jobs lost"


def test_heartbeat_that_waits_for_the_watchdog_does_not_revive_its_lease(books: Books) -> None:
    _, job, pilot = one_job(books)
    told(books, pilot, a_report(job, "running"))
    answers: list[str] = []
    late = Thread(target=lambda: answers.extend(told(books, pilot, a_report(job, "running", 2))))
    with books.write() as session:
        hold_tasks(session, [job.task_id])
        move_jobs(session, [job.job_id], JobEvent.LEASE_EXPIRED, Why("test"))
        settle_failed(session, session.get_one(Task, job.task_id), {job.job_id: False})
        late.start()
        late.join(0.3)
        assert late.is_alive()
    late.join(30)
    assert answers == ["forget"]
    assert value(books, "SELECT COUNT(*) FROM job WHERE lease_expires_at IS NOT NULL") == 0
    run_to_the_end(books)


def test_last_jobs_that_end_at_once_by_report_and_watchdog_end_the_task(books: Books) -> None:
    data = a_dataset(books, 2)
    task_id, pilot = a_task(books, inputs=[{"datasets": [data]}], max_attempts=1), a_pilot(books)
    run_stages(books)
    good, lost = get_work(books, pilot).jobs
    told(books, pilot, a_report(good), a_report(lost, "running"))
    sql(books, "UPDATE file SET n_lost = 9")
    collecting = Thread(target=run_stages, args=(books, "collect"))
    collecting.start()
    expire_leases(books)
    collecting.join(30)
    run_stages(books)
    assert status(books, task_id) == "finished"


def test_wall_limit_and_lost_pilots_spend_no_attempt_but_have_a_cap(books: Books) -> None:
    task_id, job, pilot = one_job(books)
    for number in range(10):
        if number % 2:
            told(books, pilot, a_report(job, "running"))
            expire_leases(books)
        else:
            told(books, pilot, a_report(job, "failed", pilot_error_code=1213))
        end_pauses(books)
        run_stages(books)
        jobs = get_work(books, pilot).jobs
        assert len(jobs) == (number < 9)
        job = jobs[0] if jobs else job
    assert rows(books, "SELECT n_failed, n_lost FROM file WHERE status = 'failed' AND n_lost > 0"
                ) == [(0, 10)]  # fmt: skip
    assert status(books, task_id) == "failed"


def test_measurements_and_last_lines_are_kept(books: Books) -> None:
    _, job, pilot = one_job(books)
    told(books, pilot, a_report(job, output_tail="end", user_metadata='{"a": 1}',
                                metrics=JobMetrics(max_pss_mb=12.5)))  # fmt: skip
    told(books, pilot, a_report(job, nr=2, output_tail="the end"))
    run_stages(books)
    assert rows(books, "SELECT output_tail FROM job_metadata") == [("the end",)]


def test_silent_pilots_without_jobs_are_signed_off(books: Books) -> None:
    _, _, busy = one_job(books)
    idle, fresh = a_pilot(books), a_pilot(books)
    sql(books, "UPDATE pilot SET last_heard_at = :past WHERE id <> :f", past=PAST, f=fresh)
    gone_pilots(books)
    assert dict(rows(books, "SELECT id, status FROM pilot")) == {
        busy: "active", idle: "gone", fresh: "active",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["report", "lease"])
def test_end_of_an_aborting_tasks_last_job_wakes_who_ends_it(books: Books, how: str) -> None:
    task_id, job, pilot = one_job(books)
    told(books, pilot, a_report(job, "running"))
    tell(books, task_id, "kill")
    waker = Waker(books)
    try:
        waker.wait([Topic.JOB_REPORTED], 0.2, waker.mark())
        if how == "report":
            with books.write() as session:
                take_reports(session, [(pilot, a_report(job, "failed", 2))])
            waker.wait([Topic.JOB_REPORTED], 2, {})
            mark = waker.mark()
            run_stages(books, "collect")
        else:
            mark = waker.mark()
            expire_leases(books)
        assert waker.wait([Topic.TASK_CHANGED, Topic.TASK_ENDING], 3, mark)
    finally:
        waker.close()
