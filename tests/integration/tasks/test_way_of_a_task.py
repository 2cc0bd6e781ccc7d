"""The whole way of a task through the stages, on real books."""

from __future__ import annotations

from tasks.stages.dispatch import sign_off
from tasks.statuses import TaskStatus
from tasks.store.books import Books
from tests.builders import (
    a_dataset,
    a_pilot,
    a_report,
    a_task,
    get_work,
    report,
    run_stages,
    task_row,
)


def test_task_without_input_runs_to_done(books: Books) -> None:
    task_id = a_task(books, n_jobs=3, outputs=["out.txt"], command="echo %RNDM:10 > out.txt")
    run_stages(books)
    assert task_row(books, task_id).status == TaskStatus.RUNNING
    pilot = a_pilot(books)
    jobs = get_work(books, pilot).jobs
    assert [job.command for job in jobs] == [f"echo {n} > out.txt" for n in (10, 11, 12)]
    assert jobs[0].outputs[0].lfn == f"user.alice.{task_id}._000001.out.txt"
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)
    assert task_row(books, task_id).status == TaskStatus.DONE


def test_failed_job_is_tried_again_until_its_attempts_are_used_up(books: Books) -> None:
    data = a_dataset(books, 4)
    task_id = a_task(
        books, inputs=[{"datasets": [data]}], n_files_per_job=2, max_attempts=2, command="cat %IN"
    )
    run_stages(books)
    pilot = a_pilot(books)
    seen = []
    for _ in range(2):
        jobs = get_work(books, pilot).jobs
        seen.append([(job.command, job.attempt_nr) for job in jobs])
        report(books, pilot, *(
            a_report(job) if "f000000" in job.command else
            a_report(job, "failed", pilot_error_code=1305, exit_code=1) for job in jobs
        ))  # fmt: skip
        run_stages(books)
    assert seen == [
        [("cat f000000.dat,f000001.dat", 1), ("cat f000002.dat,f000003.dat", 1)],
        [("cat f000002.dat,f000003.dat", 2)],
    ]
    task = task_row(books, task_id)
    assert (task.status, task.reason[:32]) == ("finished", "2 of 4 inputs did not succeed; l")


def test_lost_heartbeat_does_not_spend_an_attempt(books: Books) -> None:
    from tasks.stages.service import beat
    from tasks.stages.watchdogs import lost_jobs

    data = a_dataset(books, 1)
    task_id = a_task(books, inputs=[{"datasets": [data]}], max_attempts=1, command="cat %IN")
    run_stages(books)
    pilot = a_pilot(books)
    first = get_work(books, pilot).jobs[0]
    report(books, pilot, a_report(first, "running"))
    with books.write() as session:
        beat(session, "test")
        session.connection().exec_driver_sql(
            "UPDATE schedule_run SET started_at = '2020-01-01 00:00:00.000000'"
        )
        session.connection().exec_driver_sql(
            "UPDATE job SET lease_expires_at = '2020-01-01 00:00:00.000000'"
        )
    assert lost_jobs(books) == "1 jobs lost"
    run_stages(books)
    second = get_work(books, pilot).jobs[0]
    assert (second.attempt_nr, second.job_id != first.job_id) == (2, True)
    zombie = report(books, pilot, a_report(first, nr=2))[0]
    assert (zombie.instruction, zombie.reason) == ("forget", f"job {first.job_id} is failed")
    report(books, pilot, a_report(second))
    run_stages(books)
    assert task_row(books, task_id).status == TaskStatus.DONE


def test_pilot_that_signs_off_gives_back_what_it_never_started(books: Books) -> None:
    task_id = a_task(books, n_jobs=2)
    run_stages(books)
    leaver, stayer = a_pilot(books), a_pilot(books)
    jobs = get_work(books, leaver).jobs
    report(books, leaver, a_report(jobs[0], "running"))
    with books.write() as session:
        assert sign_off(session, leaver) == 1
    run_stages(books)
    again = get_work(books, stayer).jobs
    assert [(job.attempt_nr, job.command) for job in again] == [(2, "true")]
    report(books, stayer, a_report(again[0]))
    report(books, leaver, a_report(jobs[0], nr=2))
    run_stages(books)
    assert task_row(books, task_id).status == TaskStatus.DONE
