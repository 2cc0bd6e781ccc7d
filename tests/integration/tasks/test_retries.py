"""Failed jobs, tried again as their errors and the rules of the books say (documentation, 20)."""

from __future__ import annotations

from typing import Any

import pytest

from culm.wire.reports import JobMetrics
from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, run_jobs, run_to_the_end, sql, status, value


def a_rule(books: Books, source: str, action: str, **values: Any) -> None:
    sql(
        books, "INSERT INTO retry_rule (source, action, code, pattern, max_retries, active, "
        "architecture, release, work_queue, description, changed_by, changed_at) VALUES "
        "(:source, :action, :code, :pattern, :max_retries, :active, :architecture, :release, "
        ":work_queue, '', 'root', "
        "CURRENT_TIMESTAMP)",
        source=source, action=action, **({"code": None, "pattern": "", "max_retries": None,
                                          "active": True, "architecture": "", "release": "",
                                          "work_queue": ""} | values),
    )  # fmt: skip


def a_task_of(books: Books, n_files: int = 1, **changes: Any) -> int:
    values = {"inputs": [{"datasets": [a_dataset(books, n_files)]}], "command": "cat %IN"} | changes
    task_id = a_task(books, **values)
    run_stages(books)
    return task_id


def memory_of_jobs(books: Books) -> list[int]:
    return [row[0] for row in rows(books, "SELECT memory_mb FROM job ORDER BY id")]


def test_memory_of_retries_rises_by_steps_until_it_is_enough(books: Books) -> None:
    task_id = a_task_of(books, n_files=2, memory_mb=400)
    pilot = a_pilot(books)
    used = JobMetrics(max_pss_mb=410.0)
    first, second = get_work(books, pilot).jobs
    report(books, pilot, a_report(first),
           a_report(second, "failed", pilot_error_code=1235, metrics=used))  # fmt: skip
    run_stages(books)
    [third] = get_work(books, pilot).jobs
    assert (third.memory_mb, third.attempt_nr) == (500, 2)
    report(books, pilot, a_report(third, "failed", pilot_error_code=1212))
    run_stages(books)
    [fourth] = get_work(books, pilot).jobs
    assert fourth.memory_mb == 1000
    report(books, pilot, a_report(fourth))
    run_stages(books)
    assert (status(books, task_id), memory_of_jobs(books)) == ("done", [400, 400, 500, 1000])
    assert value(books, "SELECT memory_mb FROM task") == 400


def test_memory_does_not_rise_where_it_was_not_short(books: Books) -> None:
    a_rule(books, "pilot", "increase_memory", code=1305)
    a_task_of(books, memory_mb=400)
    run_jobs(books, a_pilot(books), "failed", pilot_error_code=1305)
    assert memory_of_jobs(books) == [400, 400]


def test_memory_rises_no_higher_than_some_queue_has(books: Books) -> None:
    a_task_of(books, memory_mb=400)
    run_jobs(books, a_pilot(books, memory_mb=450), "failed", pilot_error_code=1235)
    assert memory_of_jobs(books) == [400, 450]


def test_job_that_kept_its_memory_keeps_it_after_another_failure(books: Books) -> None:
    a_task_of(books, memory_mb=400, max_attempts=5)
    pilot = a_pilot(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1235)
    run_jobs(books, pilot, "failed", pilot_error_code=1305)
    assert memory_of_jobs(books) == [400, 500, 500]


def test_hopeless_input_is_given_up_at_once(books: Books) -> None:
    a_rule(books, "payload", "no_retry", pattern="no such branch")
    task_id = a_task_of(books, n_files=2, max_attempts=3)
    pilot = a_pilot(books)
    first, second = get_work(books, pilot).jobs
    report(books, pilot, a_report(first), a_report(
        second, "failed", pilot_error_code=1305, exit_code=1,
        pilot_error_diag="exit status 1: no such branch",
    ))  # fmt: skip
    run_stages(books)
    assert (status(books, task_id), len(memory_of_jobs(books))) == ("finished", 2)


def test_hopeless_input_of_several_datasets_is_given_up(books: Books) -> None:
    a_rule(books, "pilot", "no_retry", code=1305)
    names = [a_dataset(books, 1), a_dataset(books, 2)]
    sql(books, "UPDATE catalog_file SET lfn = 'of' || dataset_id || lfn")  # no name twice
    task_id = a_task(books, inputs=[{"datasets": names}], n_jobs=1, max_attempts=3)
    run_stages(books)
    run_jobs(books, a_pilot(books), "failed", pilot_error_code=1305)
    assert (status(books, task_id), len(memory_of_jobs(books))) == ("failed", 1)


@pytest.mark.parametrize(
    ("scope", "n_jobs"),
    [
        ({"release": "Athena-21.0.38"}, 1), ({"release": "Athena-21.0.39"}, 2),
        ({"architecture": "el9-opt#x86_64"}, 1), ({"architecture": "el9-opt"}, 1),
        ({"architecture": "el8-opt"}, 2), ({"work_queue": "default"}, 1),
        ({"work_queue": "other"}, 2), ({"release": "Athena-21.0.38", "work_queue": "other"}, 2),
    ],
)  # fmt: skip
def test_rule_holds_for_its_scope_alone(books: Books, scope: dict[str, str], n_jobs: int) -> None:
    """20.2: architecture, release and work queue, as the task asks for them."""
    a_rule(books, "pilot", "no_retry", code=1305, **scope)
    a_task_of(books, release="Athena-21.0.38", architecture="el9-opt#x86_64")
    run_jobs(books, a_pilot(books), "failed", pilot_error_code=1305)
    assert len(memory_of_jobs(books)) == n_jobs


def test_limit_of_retries(books: Books) -> None:
    a_rule(books, "pilot", "limit_retry", code=1305, max_retries=1)
    task_id = a_task_of(books, max_attempts=9)
    pilot = a_pilot(books)
    while run_jobs(books, pilot, "failed", pilot_error_code=1305):
        pass
    assert (status(books, task_id), len(memory_of_jobs(books))) == ("failed", 2)


def test_passive_rule_changes_nothing_and_is_logged(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    a_rule(books, "pilot", "no_retry", code=1305, active=False)
    a_task_of(books)
    with caplog.at_level("INFO"):
        run_jobs(books, a_pilot(books), "failed", pilot_error_code=1305)
    assert len(memory_of_jobs(books)) == 2
    assert "a passive rule would apply" in caplog.messages


def test_rule_that_cannot_be_read_is_passed_over(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    a_rule(books, "pilot", "no_retry", pattern="(")
    a_task_of(books)
    run_jobs(books, a_pilot(books), "failed", pilot_error_code=1305)
    assert len(memory_of_jobs(books)) == 2
    assert "retry rule cannot be used" in caplog.messages


def test_wall_time_of_a_job_that_was_cut_off_is_longer_next_time(books: Books) -> None:
    """A rule that every installation begins with; and a wall limit spends no attempt (I6)."""
    task_id = a_task_of(books, walltime_seconds=1000, max_attempts=1)
    pilot = a_pilot(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1213)
    [job] = get_work(books, pilot).jobs
    assert job.walltime_seconds == 1500
    report(books, pilot, a_report(job))
    run_stages(books)
    assert status(books, task_id) == "done"


def test_input_of_a_job_that_filled_its_disk_is_halved(books: Books) -> None:
    task_id = a_task_of(books, n_files=4, n_files_per_job=4, command="cat %IN %RNDM:0")
    pilot = a_pilot(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1104)
    jobs = get_work(books, pilot).jobs
    assert [(j.command, j.attempt_nr) for j in jobs] == [
        ("cat f000000.dat,f000001.dat 0", 2), ("cat f000002.dat,f000003.dat 1", 2)]  # fmt: skip
    report(books, pilot, *map(a_report, jobs))
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"
