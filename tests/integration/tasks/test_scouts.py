"""Scouts first: what they measure sets the rest, or exhausts the task (documentation, 15)."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import InvalidRequest, WrongStatus
from culm.wire.reports import JobMetrics
from culm.wire.views import CommandRequest
from tasks.queue_changes import set_queue_status
from tasks.specs import spec_of
from tasks.stages import STAGES
from tasks.stages.command import command
from tasks.stages.demands import demand_of
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.tables import Task
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, run_jobs, run_to_the_end, status, tell, value

USUAL = {"max_pss_mb": 300.0, "cpu_seconds": 90.0, "wall_seconds": 100.0, "work_dir_mb": 5.0}


def measured(**changes: float) -> JobMetrics:
    return JobMetrics(**(USUAL | changes))


def a_big_task(books: Books, n_files: int = 60, n_events: int | None = 20, **changes: Any) -> int:
    """A task whose size is ours to choose, its scouts waiting at LOCAL."""
    values = {"inputs": [{"datasets": [a_dataset(books, n_files, n_events=n_events)]}],
              "command": "cat %IN"} | changes  # fmt: skip
    task_id = a_task(books, **values)
    run_stages(books)
    return task_id


def files_a_job(books: Books, first: int = 0) -> list[int]:
    """How many input files each job from a sequence number on has, the biggest first."""
    found = rows(
        books, "SELECT count(*) FROM job_file f JOIN job j ON j.id = f.job_id "
        "WHERE f.kind = 'input' AND j.sequence_nr >= :first GROUP BY j.id", first=first,
    )  # fmt: skip
    return sorted((row[0] for row in found), reverse=True)


def test_small_task_has_no_scouts(books: Books) -> None:
    task_id = a_big_task(books, n_files=20)
    assert status(books, task_id) == "running"
    assert len(files_a_job(books)) == 20


def test_task_that_skips_scouts_has_none(books: Books) -> None:
    task_id = a_big_task(books, skip_scouts=True)
    assert status(books, task_id) == "running"
    assert len(files_a_job(books)) == 60


def test_scouts_of_another_task_do_not_count(books: Books) -> None:
    first, second = a_big_task(books), a_big_task(books)
    pilot = a_pilot(books)
    scouts = [job for job in get_work(books, pilot, n_jobs=20).jobs if job.task_id == first]
    report(books, pilot, *(a_report(job, metrics=measured()) for job in scouts[:5]))
    run_stages(books)
    assert (status(books, first), status(books, second)) == ("running", "scouting")
    with books.read() as session:
        assert STAGES["scout"].candidates(session, 10, None) == []


def test_scouts_set_memory_and_size_of_the_rest(books: Books) -> None:
    task_id = a_big_task(books, walltime_seconds=1000)
    assert (status(books, task_id), files_a_job(books)) == ("scouting", [1] * 10)
    pilot = a_pilot(books)
    scouts = get_work(books, pilot).jobs
    # Above every other job of the task, and falling with what the owner has active (T + n)/5.
    assert {row[0] for row in rows(books, "SELECT priority FROM job")} == {1099, 1100}
    report(books, pilot, *(a_report(job, metrics=measured()) for job in scouts[:4]))
    run_stages(books)
    assert (status(books, task_id), len(files_a_job(books))) == ("scouting", 10)
    report(books, pilot, a_report(scouts[4], metrics=measured()))
    run_stages(books)
    assert status(books, task_id) == "running"
    # 15.2: 300 MB x 1.1 go up to the step of 500; 15.1: 100 s x 10 HS06 x 0.9 x 1.5 / 20 events
    # = 67.5 HS06 s an event; 13: 1000 s x 9 / 67.5 = 133 events = 6 files of 20.
    assert value(books, "SELECT memory_mb FROM task") == 500
    assert files_a_job(books, first=10) == [6] * 8 + [2]
    report(books, pilot, *(a_report(job, metrics=measured()) for job in scouts[5:]))
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_scouts_tell_the_broker_how_much_jobs_move(books: Books) -> None:
    """15.4: 40 MB of input / 100 s; 15.5: (70 + 20 MB) / 100 s on two cores."""
    task_id = a_big_task(books, walltime_seconds=1000, core_count=2)
    assert _moved(books, task_id) == (pytest.approx(0.001), 0)  # 1000 bytes a job, in 1000 s
    moved = {"input_mb": 40.0, "read_mb": 70.0, "write_mb": 20.0}
    run_jobs(books, a_pilot(books), metrics=measured(**moved))
    assert _moved(books, task_id) == (pytest.approx(400, rel=1e-3), 450)


def _moved(books: Books, task_id: int) -> tuple[float, float]:
    with books.read() as session:
        demand = demand_of(session, session.get_one(Task, task_id), spec_of(session, task_id))
    return demand.io_intensity_kb_per_second, demand.disk_io_kb_per_second


def test_given_size_stays_and_only_memory_is_learnt(books: Books) -> None:
    task_id = a_big_task(books, n_files_per_job=2)
    pilot = a_pilot(books)
    run_jobs(books, pilot, metrics=measured())
    assert (value(books, "SELECT memory_mb FROM task"), files_a_job(books)) == (500, [2] * 30)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_fixed_memory_stays(books: Books) -> None:
    a_big_task(books, ram_count_unit="MBPerCoreFixed")
    run_jobs(books, a_pilot(books), metrics=measured())
    assert value(books, "SELECT memory_mb FROM task") == 2000


def test_files_without_events_stay_one_a_job(books: Books) -> None:
    """15.1: too few events and too short to tell what one costs."""
    a_big_task(books, n_events=None)
    run_jobs(books, a_pilot(books), metrics=measured())
    assert files_a_job(books) == [1] * 60


def test_failed_scout_is_tried_again_while_the_others_run(books: Books) -> None:
    task_id = a_big_task(books)
    pilot = a_pilot(books)
    first, *_ = get_work(books, pilot).jobs
    report(books, pilot, a_report(first, "failed", pilot_error_code=1305))
    run_stages(books)
    [again] = get_work(books, pilot).jobs
    assert (again.attempt_nr, again.command) == (2, first.command)
    assert (status(books, task_id), len(files_a_job(books))) == ("scouting", 11)


def test_task_whose_scouts_all_fail_is_exhausted_and_can_be_retried(books: Books) -> None:
    task_id = a_big_task(books, max_attempts=2)
    pilot = a_pilot(books)
    while run_jobs(books, pilot, "failed", pilot_error_code=1305, pilot_error_diag="no library"):
        pass
    assert status(books, task_id) == "exhausted"
    reason = value(books, "SELECT reason FROM task")
    assert reason.startswith("all scouts failed: last job 20: no library. ")
    assert f"culm task avalanche {task_id}" in reason
    tell(books, task_id, "retry")
    run_stages(books)
    assert (status(books, task_id), len(files_a_job(books))) == ("scouting", 40)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_few_scouts_that_finish_are_enough_when_no_more_can(books: Books) -> None:
    task_id = a_big_task(books, max_attempts=1)
    pilot = a_pilot(books)
    good, *bad = get_work(books, pilot).jobs
    report(books, pilot, a_report(good, metrics=measured()),
           *(a_report(job, "failed", pilot_error_code=1305) for job in bad))  # fmt: skip
    run_stages(books)
    assert status(books, task_id) == "running"


def test_wrongly_configured_task_is_exhausted_with_reason_and_advice(books: Books) -> None:
    task_id = a_big_task(books, min_cpu_efficiency=0.5)
    pilot = a_pilot(books)
    run_jobs(books, pilot, metrics=measured(cpu_seconds=10.0))
    assert status(books, task_id) == "exhausted"
    reason = value(books, "SELECT reason FROM task")
    assert reason.startswith("CPU efficiency is 10%, 50% are needed: ask for fewer cores")
    tell(books, task_id, "avalanche")
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_memory_that_grows_exhausts_a_task(books: Books) -> None:
    with books.write() as session:
        set_value(session, "SCOUT_MEM_LEAK_PER_CORE_user", "10", "root")
    task_id = a_big_task(books)
    run_jobs(books, a_pilot(books), metrics=measured(leak_kb_per_second=25.0))
    assert status(books, task_id) == "exhausted"
    reason = value(books, "SELECT reason FROM task")
    assert reason.startswith("memory leak: memory grew by 25 kB/s a core, 10 are allowed")


def test_avalanche_skips_what_scouts_are_left(books: Books) -> None:
    task_id = a_big_task(books)
    tell(books, task_id, "avalanche")
    run_stages(books)
    assert (status(books, task_id), len(files_a_job(books))) == ("running", 60)
    with pytest.raises(WrongStatus, match="avalanche needs one of exhausted, scouting"):
        tell(books, task_id, "avalanche")


def test_released_task_sends_no_scouts(books: Books) -> None:
    inputs = [{"datasets": [a_dataset(books, 60, n_events=20)]}]
    task_id = a_task(books, inputs=inputs, command="cat %IN")
    run_stages(books, "refine", "feed", "assign")
    tell(books, task_id, "release")
    assert status(books, task_id) == "ready"
    run_stages(books)
    assert (status(books, task_id), len(files_a_job(books))) == ("running", 60)
    tell(books, task_id, "release")
    assert status(books, task_id) == "running"
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_release_while_scouts_run_lets_the_rest_follow(books: Books) -> None:
    task_id = a_big_task(books)
    tell(books, task_id, "release")
    run_stages(books)
    assert (status(books, task_id), len(files_a_job(books))) == ("running", 60)


def test_released_task_that_waits_is_looked_at_now_and_keeps_its_reason(books: Books) -> None:
    _set_local(books, QueueStatus.OFFLINE)
    task_id = a_big_task(books)
    reason = value(books, "SELECT reason FROM task")
    assert (status(books, task_id), "no queue takes its jobs" in reason) == ("pending", True)
    tell(books, task_id, "release")
    assert (status(books, task_id), value(books, "SELECT reason FROM task")) == ("pending", reason)
    _set_local(books, QueueStatus.ONLINE)
    run_stages(books)
    assert (status(books, task_id), len(files_a_job(books))) == ("running", 60)


def _set_local(books: Books, new: QueueStatus) -> None:
    with books.write() as session:
        set_queue_status(session, "LOCAL", new)


def test_task_that_has_ended_is_not_released(books: Books) -> None:
    task_id = a_task(books)
    run_to_the_end(books)
    with pytest.raises(WrongStatus, match="release needs one of assigning, defined, pending"):
        tell(books, task_id, "release")


def test_second_look_after_the_first_hundred_jobs(books: Books) -> None:
    a_big_task(books, n_files=200, n_files_per_job=1)
    pilot = a_pilot(books)
    run_jobs(books, pilot, metrics=measured(max_pss_mb=100.0))
    assert value(books, "SELECT memory_mb FROM task") == 250
    jobs = get_work(books, pilot).jobs
    report(books, pilot, *(a_report(j, metrics=measured(max_pss_mb=800.0)) for j in jobs[:99]))
    run_stages(books)
    assert value(books, "SELECT memory_mb FROM task") == 250
    report(books, pilot, a_report(jobs[99], metrics=measured(max_pss_mb=800.0)))
    run_stages(books)
    assert value(books, "SELECT memory_mb FROM task") == 1000
    assert value(books, "SELECT phase FROM task_scouting") == "settled"
    run_to_the_end(books, pilot)


def test_paused_scouting_goes_on_with_its_scouts(books: Books) -> None:
    task_id = a_big_task(books)
    tell(books, task_id, "pause")
    run_stages(books)
    tell(books, task_id, "resume")
    run_stages(books)
    assert status(books, task_id) == "scouting"
    waiting = "SELECT count(*) FROM job WHERE status = 'activated'"
    assert value(books, waiting) == 10
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_scouts_that_no_queue_takes_wait_with_words(books: Books) -> None:
    task_id = a_big_task(books, memory_mb=10**6)
    assert status(books, task_id) == "scouting"  # LOCAL has no limit
    with books.write() as session:
        session.connection().exec_driver_sql("UPDATE queue SET settings = '{\"max_memory_mb\": 9}'")
    run_jobs(books, a_pilot(books), "failed", pilot_error_code=1305)
    assert status(books, task_id) == "pending"
    assert "9 MB of memory" in value(books, "SELECT reason FROM task")


def test_incexec_changes_parameters_and_looks_at_the_input_again(books: Books) -> None:
    data = a_dataset(books, 2)
    task_id = a_task(books, inputs=[{"datasets": [data]}], command="cat %IN", max_attempts=1)
    run_stages(books)
    pilot = a_pilot(books)
    first, second = get_work(books, pilot).jobs
    report(books, pilot, a_report(first), a_report(second, "failed", pilot_error_code=1305))
    run_stages(books)
    assert status(books, task_id) == "finished"
    more = a_dataset(books, 1)
    parameters = {"memory_mb": 4000, "command": "wc %IN", "max_attempts": 5,
                  "inputs": [{"datasets": [data, more]}]}  # fmt: skip
    request = CommandRequest(command="incexec", parameters=parameters)
    command(books, task_id, request, "alice")
    run_stages(books)
    jobs = get_work(books, pilot).jobs
    assert [(j.command, j.memory_mb) for j in jobs] == [
        ("wc f000001.dat", 4000), ("wc f000000.dat", 4000)]  # fmt: skip
    assert value(books, "SELECT DISTINCT resource_type FROM job WHERE memory_mb = 4000") == (
        "SCORE_HIMEM"
    )
    report(books, pilot, *map(a_report, jobs))
    run_stages(books)
    assert (status(books, task_id), value(books, "SELECT max_attempts FROM task")) == ("done", 5)


@pytest.mark.parametrize(
    ("parameters", "field", "needed"),
    [
        ({"memory_mbs": 1}, "memory_mbs", "did you mean memory_mb?"),
        ({"memory_mb": 0}, "memory_mb", "must be from 1"),
        ({"outputs": ["x"]}, "outputs", "cannot be changed any more"),
        ({"inputs": []}, "inputs", "may be added, not taken away"),
        ({"activity": "managed"}, "activity", "cannot be changed any more"),
        ({"working_group": "higgs"}, "working_group", "cannot be changed any more"),
        ({"vo": "atlas"}, "vo", "cannot be changed any more"),
        ({"processing_type": "reco"}, "processing_type", "cannot be changed any more"),
        ({"campaign": "c1"}, "campaign", "cannot be changed any more"),
        ({"site": "NOWHERE"}, "site", "unknown"),
    ],
)
def test_wrong_changes_are_refused_at_once(
    books: Books, parameters: dict[str, Any], field: str, needed: str
) -> None:
    data = a_dataset(books, 1)
    task_id = a_task(books, inputs=[{"datasets": [data]}], command="true")
    run_to_the_end(books)
    request = CommandRequest(command="incexec", parameters=parameters)
    with pytest.raises(InvalidRequest) as refused:
        command(books, task_id, request, "alice")
    assert any(f.field == field and needed in f.needed for f in refused.value.faults)
    assert status(books, task_id) == "done"
    with pytest.raises(InvalidRequest, match="retry takes no parameters"):
        command(books, task_id, CommandRequest(command="retry", parameters={"a": 1}), "alice")


def test_reactivate_looks_at_a_waiting_task_at_once(books: Books) -> None:
    task_id = a_task(books, excluded_sites=["LOCAL"])
    run_stages(books)
    assert status(books, task_id) == "pending"
    with books.write() as session:
        session.connection().exec_driver_sql("INSERT INTO site (name) VALUES ('S')")
        session.connection().exec_driver_sql(
            "INSERT INTO queue (name, site_id, status, settings) "
            "SELECT 'Q', id, 'online', '{}' FROM site WHERE name = 'S'"
        )
    run_stages(books)
    assert status(books, task_id) == "pending"
    tell(books, task_id, "reactivate")
    run_stages(books)
    assert status(books, task_id) == "running"


def test_events_of_a_job_reach_over_the_ends_of_files(books: Books) -> None:
    data = a_dataset(books, 3, n_events=10)
    a_task(
        books, inputs=[{"datasets": [data]}], n_events_per_job=15, events_across_files=True,
        command="run %IN %SKIPEVENTS %MAXEVENTS",
    )  # fmt: skip
    run_stages(books)
    jobs = get_work(books, a_pilot(books)).jobs
    assert [job.command for job in jobs] == [
        "run f000000.dat,f000001.dat 0 15", "run f000001.dat,f000002.dat 5 15"]  # fmt: skip


def test_secondary_files_that_are_not_reusable_are_used_up(books: Books) -> None:
    inputs = [
        {"datasets": [a_dataset(books, 3)]},
        {"stream": "IN2", "datasets": [a_dataset(books, 2)], "reusable": False},
    ]
    task_id = a_task(books, inputs=inputs, command="cat %IN %IN2")
    run_stages(books)
    pilot = a_pilot(books)
    assert [job.command for job in run_jobs(books, pilot)] == [
        "cat f000000.dat f000000.dat", "cat f000001.dat f000001.dat"]  # fmt: skip
    assert status(books, task_id) == "pending"
    assert "stream IN2 is not reusable" in value(books, "SELECT reason FROM task")
