"""Build jobs: their run jobs wait, use what was built, or go elsewhere (spec/lifecycle.md, Job)."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import InvalidRequest
from culm.wire.job_spec import JobSpec
from culm.wire.views import CommandRequest
from tasks.stages.command import command
from tasks.stages.job_command import kill_job
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.views.jobs import JobFilter, job_list, job_view
from tasks.views.pilot_files import reads, writes
from tasks.views.tasks import task_view
from tasks.why.job import why_job
from tasks.why.task import why_task
from tests.builders import (
    a_dataset,
    a_pilot,
    a_report,
    a_sandbox,
    a_spec,
    a_task,
    get_work,
    report,
    run_stages,
)
from tests.integration.tasks.scene import (
    adds_up,
    expire_leases,
    listening,
    rows,
    run_jobs,
    run_to_the_end,
    sql,
    status,
    tell,
    value,
)

STATUSES = "SELECT kind, status, COUNT(*) FROM job GROUP BY kind, status ORDER BY kind, status"


def a_queue(books: Books, name: str) -> None:
    """Another queue at LOCAL's site, with its storage."""
    sql(
        books,
        "INSERT INTO queue (name, site_id, status, settings) "
        "SELECT :name, site_id, status, settings FROM queue WHERE name = 'LOCAL'",
        name=name,
    )
    sql(books, "INSERT INTO queue_storage (queue_id, endpoint_id, reads, writes) "
        "SELECT q.id, s.endpoint_id, s.reads, s.writes FROM queue_storage s, queue q "
        "WHERE q.name = :name AND s.queue_id = (SELECT id FROM queue WHERE name = 'LOCAL')",
        name=name)  # fmt: skip


def a_built_task(books: Books, n_files: int = 3, **changes: Any) -> int:
    values = {
        "inputs": [{"datasets": [a_dataset(books, n_files)]}], "command": "./tool %IN",
        "n_files_per_job": 1, "outputs": ["out.txt"], "build_command": "make",
        "sandbox": a_sandbox(books), "skip_scouts": True, "max_attempts": 2,
    } | changes  # fmt: skip
    task_id = a_task(books, **values)
    run_stages(books)
    return task_id


def the_build(books: Books, pilot: int) -> JobSpec:
    [build] = get_work(books, pilot).jobs
    assert build.kind == "build"
    return build


def fail_build(books: Books, pilot: int, times: int = 2) -> None:
    for _ in range(times):
        build = the_build(books, pilot)
        report(books, pilot, a_report(build, "failed", exit_code=2, pilot_error_code=1305,
                                      pilot_error_diag="exit status 2: no rule"))  # fmt: skip
        run_stages(books)


def test_run_jobs_wait_for_their_build_and_unpack_its_lib(books: Books) -> None:
    task_id = a_built_task(books)
    pilot = a_pilot(books)
    assert rows(books, STATUSES) == [("build", "activated", 1), ("run", "defined", 3)]
    build = the_build(books, pilot)
    assert (build.command, build.core_count, build.sandbox is not None) == ("make", 1, True)
    assert [(o.kind, o.local_name, o.max_bytes) for o in build.outputs] == [
        ("log", "log.tgz", None), ("lib", "lib.tgz", 2_000_000_000)]  # fmt: skip
    assert get_work(books, pilot).jobs == ()
    report(books, pilot, a_report(build))
    run_stages(books)
    jobs = get_work(books, pilot).jobs
    lib = build.outputs[1]
    assert [(j.kind, j.sandbox, j.lib and (j.lib.lfn, j.lib.urls, j.lib.adler32))
            for j in jobs] == [("run", None, (lib.lfn, (lib.url,), "0000000a"))] * 3  # fmt: skip
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)
    with books.read() as session:
        task = task_view(session, task_id)
    assert (task.status, task.n_files_finished) == ("done", 3)
    assert (task.job_counts, task.serving_counts) == (
        {"finished": 4}, {"build": {"finished": 1}})  # fmt: skip


def test_run_jobs_that_come_after_the_build_do_not_wait(books: Books) -> None:
    a_built_task(books, n_files=2)
    pilot = a_pilot(books)
    report(books, pilot, a_report(the_build(books, pilot)))
    run_stages(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1305)
    again = get_work(books, pilot).jobs
    assert [(j.attempt_nr, j.lib is not None) for j in again] == [(2, True)] * 2
    assert value(books, "SELECT COUNT(*) FROM job WHERE kind = 'build'") == 1


def test_builds_are_above_the_run_jobs_and_ask_for_no_more_than_they_do(books: Books) -> None:
    with books.write() as session:
        set_value(session, "BUILD_MEMORY_user", "700", "root")
    a_built_task(books, core_count=4, memory_mb=8000, disk_mb=500, walltime_seconds=600)
    a_pilot(books)
    assert rows(books, "SELECT core_count, memory_mb, disk_mb, walltime_seconds, priority, "
                "resource_type FROM job WHERE kind = 'build'") == [
        (1, 700, 500, 600, 2000, "SCORE")]  # fmt: skip
    assert value(books, "SELECT MAX(priority) FROM job WHERE kind = 'run'") <= 1000


def test_all_run_jobs_of_a_queue_are_activated_by_as_many_statements_as_one(books: Books) -> None:
    counts = []
    for n_files in (1, 300):
        a_built_task(books, n_files=n_files)
        pilot = a_pilot(books)
        report(books, pilot, a_report(the_build(books, pilot)))
        said: list[str] = []
        with listening(books, "before_cursor_execute", lambda *a, s=said: s.append(a[2])):
            run_stages(books, "collect")
        counts.append(len(said))
        run_jobs(books, pilot)
    assert counts[0] == counts[1]
    assert rows(books, STATUSES) == [("build", "finished", 2), ("run", "finished", 301)]


def test_build_that_fails_is_tried_again(books: Books) -> None:
    task_id = a_built_task(books)
    pilot = a_pilot(books)
    fail_build(books, pilot, times=1)
    assert adds_up(books)
    build = the_build(books, pilot)
    assert build.attempt_nr == 2
    report(books, pilot, a_report(build))
    run_stages(books)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_task_whose_build_fails_everywhere_ends_and_names_its_error(books: Books) -> None:
    task_id = a_built_task(books)
    fail_build(books, a_pilot(books))
    assert status(books, task_id) == "failed"
    reason = value(books, "SELECT reason FROM task WHERE id = :id", id=task_id)
    assert "build job" in reason
    assert "failed at queue LOCAL: exit status 2: no rule" in reason
    assert rows(books, STATUSES) == [("build", "failed", 2), ("run", "closed", 3)]
    closed = rows(books, "SELECT DISTINCT server_error_code, server_error_diag FROM job "
                  "WHERE kind = 'run'")  # fmt: skip
    assert [code for code, _ in closed] == [107]
    assert rows(books, "SELECT DISTINCT f.n_failed, f.n_lost FROM file f JOIN dataset d "
                "ON d.id = f.dataset_id AND d.is_primary") == [(0, 0)]  # fmt: skip


def test_input_of_a_failed_build_goes_to_another_queue(books: Books) -> None:
    a_queue(books, "OTHER")
    sql(books, "UPDATE queue SET status = 'brokeroff' WHERE name = 'OTHER'")
    task_id = a_built_task(books)
    sql(books, "UPDATE queue SET status = 'online'")
    pilot, other = a_pilot(books), a_pilot(books, queue="OTHER")
    fail_build(books, pilot)
    assert get_work(books, pilot).jobs == ()
    report(books, other, a_report(the_build(books, other)))
    run_stages(books)
    jobs = run_jobs(books, other)
    assert [job.attempt_nr for job in jobs] == [2, 2, 2]
    assert status(books, task_id) == "done"


def test_task_waits_for_a_queue_that_may_come_back(books: Books) -> None:
    a_queue(books, "OTHER")
    sql(books, "UPDATE queue SET status = 'offline' WHERE name = 'OTHER'")
    task_id = a_built_task(books)
    fail_build(books, a_pilot(books))
    assert status(books, task_id) == "pending"
    sql(books, "UPDATE queue SET status = 'online'")
    tell(books, task_id, "reactivate")
    run_stages(books)
    report(books, other := a_pilot(books, queue="OTHER"), a_report(the_build(books, other)))
    run_stages(books)
    run_to_the_end(books, other)
    assert status(books, task_id) == "done"


def test_build_lost_with_its_pilot_spends_no_attempt(books: Books) -> None:
    a_built_task(books, max_attempts=1)
    pilot = a_pilot(books)
    report(books, pilot, a_report(the_build(books, pilot), "running"))
    expire_leases(books)
    run_stages(books)
    assert the_build(books, pilot).attempt_nr == 2
    assert rows(books, "SELECT n_failed, n_lost FROM build") == [(0, 1)]


def test_retry_builds_again_where_it_failed(books: Books) -> None:
    task_id = a_built_task(books, n_files=2)
    pilot = a_pilot(books)
    report(books, pilot, a_report(the_build(books, pilot)))
    run_stages(books)
    first, second = get_work(books, pilot).jobs
    report(books, pilot, a_report(first), a_report(second, "failed", pilot_error_code=1305))
    run_stages(books)
    sql(books, "UPDATE build SET reason = 'it broke there', lib_file_id = NULL")
    run_jobs(books, pilot, "failed", pilot_error_code=1305)
    assert status(books, task_id) == "finished"
    tell(books, task_id, "retry")
    run_stages(books)
    report(books, pilot, a_report(the_build(books, pilot)))
    run_stages(books)
    run_jobs(books, pilot)
    assert status(books, task_id) == "done"


def test_new_parameters_build_anew(books: Books) -> None:
    task_id = a_built_task(books, n_files=1, max_attempts=1)
    pilot = a_pilot(books)
    report(books, pilot, a_report(the_build(books, pilot)))
    run_stages(books)
    report(books, pilot, a_report(get_work(books, pilot).jobs[0]))
    run_stages(books)
    assert status(books, task_id) == "done"
    command(books, task_id, CommandRequest(
        command="incexec", parameters={"build_command": "make all", "inputs": [
            {"datasets": [a_dataset(books, 1), *_inputs(books, task_id)]}]}), "alice")  # fmt: skip
    run_stages(books)
    assert the_build(books, pilot).command == "make all"


def _inputs(books: Books, task_id: int) -> list[str]:
    query = "SELECT name FROM dataset WHERE task_id = :id AND kind = 'input'"
    return [row[0] for row in rows(books, query, id=task_id)]


@pytest.mark.parametrize("order", ["kill", "finish"])
def test_task_that_ends_ends_its_builds(books: Books, order: str) -> None:
    task_id = a_built_task(books)
    pilot = a_pilot(books)
    build = the_build(books, pilot)
    report(books, pilot, a_report(build, "running"))
    tell(books, task_id, order)
    [answer] = report(books, pilot, a_report(build, "running", nr=2))
    assert answer.instruction == "kill"
    report(books, pilot, a_report(build, "failed", nr=3, pilot_error_code=1144))
    run_stages(books)
    assert status(books, task_id) == {"kill": "aborted", "finish": "finished"}[order]
    assert rows(books, STATUSES) == [("build", "cancelled", 1), ("run", "cancelled", 3)]


def test_soft_finish_waits_for_the_build_and_its_jobs(books: Books) -> None:
    task_id = a_built_task(books)
    tell(books, task_id, "finish", soft=True)
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_paused_task_builds_when_it_is_resumed(books: Books) -> None:
    task_id = a_built_task(books)
    pilot = a_pilot(books)
    tell(books, task_id, "pause")
    assert rows(books, STATUSES) == [("build", "closed", 1), ("run", "closed", 3)]
    assert adds_up(books)
    assert get_work(books, pilot).jobs == ()
    tell(books, task_id, "resume")
    run_stages(books)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_killed_build_job_is_made_again(books: Books) -> None:
    task_id = a_built_task(books)
    job_id = value(books, "SELECT id FROM job WHERE kind = 'build'")
    kill_job(books, job_id, "alice")
    run_stages(books)
    assert rows(books, STATUSES)[:2] == [("build", "activated", 1), ("build", "cancelled", 1)]
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_scouts_wait_for_the_build_and_it_is_none_of_them(books: Books) -> None:
    task_id = a_built_task(books, n_files=60, skip_scouts=False)
    pilot = a_pilot(books)
    assert rows(books, STATUSES) == [("build", "activated", 1), ("scout", "defined", 10)]
    report(books, pilot, a_report(the_build(books, pilot)))
    run_stages(books)
    assert status(books, task_id) == "scouting"
    jobs = get_work(books, pilot, n_jobs=4).jobs
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)
    # Four scouts and a build have finished: five are needed.
    assert status(books, task_id) == "scouting"
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_pilot_reads_the_lib_of_its_job_and_no_other_does(books: Books) -> None:
    a_built_task(books)
    pilot, stranger = a_pilot(books), a_pilot(books)
    build = the_build(books, pilot)
    path = "/".join(build.outputs[1].url.split("/")[-2:])
    endpoint = value(books, "SELECT name FROM storage_endpoint")
    with books.read() as session:
        assert [writes(session, who, endpoint, path) for who in (pilot, stranger)] == [True, False]
    report(books, pilot, a_report(build))
    run_stages(books)
    get_work(books, pilot)
    with books.read() as session:
        assert [reads(session, who, endpoint, path) for who in (pilot, stranger)] == [True, False]


def test_why_names_the_build_that_is_waited_for(books: Books) -> None:
    task_id = a_built_task(books)
    a_pilot(books)
    [build] = rows(books, "SELECT id FROM job WHERE kind = 'build'")
    run = value(books, "SELECT MIN(id) FROM job WHERE kind = 'run'")
    with books.read() as session:
        found, task = why_job(session, run), why_task(session, task_id)
    assert found.summary == (
        f"it waits for what build job {build[0]} makes at queue LOCAL; that is activated"
    )
    assert task.summary == "1 waiting for one, 3 waiting for a build"


def test_jobs_are_listed_by_kind(books: Books) -> None:
    task_id = a_built_task(books)
    with books.read() as session:
        [build] = job_list(session, JobFilter(task_id=task_id, kinds=("build",))).jobs  # type: ignore[arg-type]
        shown = job_view(session, build.job_id)
    assert (shown.kind, shown.command, [f.kind for f in shown.files]) == (
        "build", "make", ["log", "lib"])  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field", "needed"),
    [
        ({"sandbox": None}, "build_command", "no file was sent along"),
        ({"build_command": "  "}, "build_command", "say what builds"),
        ({"build_command": "make %IN"}, "build_command", "no input, output or number"),
    ],
)
def test_wrong_build_is_refused(
    books: Books, changes: dict[str, Any], field: str, needed: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        a_built_task(books, **changes)
    assert [(f.field, needed in f.needed) for f in caught.value.faults] == [(field, True)]


def test_spec_without_a_build_makes_no_build_job(books: Books) -> None:
    a_task(books, sandbox=a_sandbox(books))
    assert a_spec().build_command is None
    run_stages(books)
    assert rows(books, STATUSES) == [("run", "activated", 1)]
