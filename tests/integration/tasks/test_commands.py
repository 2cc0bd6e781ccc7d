"""Commands in every status that a task passes, raced with dispatch and reports."""

from __future__ import annotations

import pytest

from culm.core.errors import InvalidRequest, NotFound, WrongStatus
from culm.wire.reports import Instruction
from culm.wire.views import CommandRequest
from tasks.stages import STAGES
from tasks.stages.command import command
from tasks.stages.job_command import kill_job
from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import (
    expire_leases,
    rows,
    run_jobs,
    run_to_the_end,
    status,
    tell,
    value,
)

WAY = ("refine", "feed", "assign", "generate")
STATUSES = ("registered", "defined", "assigning", "ready", "running")


def a_task_in(books: Books, wanted: str, **changes: object) -> int:
    """A task of two files, one a job, that has come as far as this status."""
    values = {"inputs": [{"datasets": [a_dataset(books, 2)]}], "command": "cat %IN"} | changes
    task_id = a_task(books, **values)
    for name in WAY[: STATUSES.index(wanted)]:
        run_stages(books, name)
    assert status(books, task_id) == wanted
    return task_id


def files(books: Books, task_id: int) -> list[str]:
    return [row[0] for row in rows(
        books, "SELECT f.status FROM file f JOIN dataset d ON d.id = f.dataset_id "
        "WHERE d.task_id = :id AND d.is_primary ORDER BY f.id", id=task_id,
    )]  # fmt: skip


def job_states(books: Books) -> list[str]:
    return [row[0] for row in rows(books, "SELECT status FROM job ORDER BY id")]


@pytest.mark.parametrize("name", ["kill", "finish", "pause"])
@pytest.mark.parametrize("where", STATUSES)
def test_command_in_each_status_stops_the_task_and_it_can_go_on(
    books: Books, where: str, name: str
) -> None:
    if (name, where) == ("pause", "registered"):
        pytest.skip("a task is not paused before it is refined")
    task_id = a_task_in(books, where)
    tell(books, task_id, name)
    run_stages(books)
    stopped = {"kill": "aborted", "finish": "finished", "pause": "paused"}[name]
    assert status(books, task_id) == stopped
    tell(books, task_id, "resume" if name == "pause" else "retry")
    run_to_the_end(books)
    assert (status(books, task_id), files(books, task_id)) == ("done", ["finished"] * 2)


@pytest.mark.parametrize("name", ["kill", "finish"])
@pytest.mark.parametrize("state", ["sent", "starting", "running"])
def test_killed_jobs_pilot_is_told_and_the_task_ends_with_its_report(
    books: Books, state: str, name: str
) -> None:
    task_id = a_task_in(books, "running")
    pilot = a_pilot(books)
    job, _ = get_work(books, pilot).jobs
    if state != "sent":
        report(books, pilot, a_report(job, state))
    tell(books, task_id, name)
    run_stages(books)
    assert status(books, task_id) == {"kill": "aborting", "finish": "finishing"}[name]
    answer = report(books, pilot, a_report(job, "running", 2))[0]
    assert (answer.instruction, answer.reason) == (Instruction.KILL, f"{name} by alice")
    other = rows(books, "SELECT id, attempt_nr FROM job WHERE id <> :i", i=job.job_id)
    assert len(other) == 1
    report(books, pilot, a_report(job, "failed", 3, pilot_error_code=1205))
    expire_leases(books)
    run_stages(books)
    ended = {"kill": "aborted", "finish": "finished"}[name]
    assert (status(books, task_id), files(books, task_id)) == (ended, ["failed", "failed"])


def test_killed_job_that_had_finished_already_counts(books: Books) -> None:
    task_id = a_task_in(books, "running")
    pilot = a_pilot(books)
    first, second = get_work(books, pilot).jobs
    report(books, pilot, a_report(first))
    tell(books, task_id, "finish")
    report(books, pilot, a_report(second, "failed", pilot_error_code=1205))
    run_stages(books)
    assert job_states(books) == ["finished", "cancelled"]
    assert (status(books, task_id), files(books, task_id)) == ("finished", ["finished", "failed"])


@pytest.mark.parametrize("name", ["kill", "finish"])
def test_pilot_that_dies_while_its_task_ends_holds_nothing_up(books: Books, name: str) -> None:
    task_id = a_task_in(books, "running")
    pilot = a_pilot(books)
    sent, running = get_work(books, pilot).jobs
    report(books, pilot, a_report(running, "running"))
    tell(books, task_id, name)
    run_stages(books)
    expire_leases(books)
    run_stages(books)
    assert job_states(books) == ["closed", "failed"]
    assert status(books, task_id) == {"kill": "aborted", "finish": "finished"}[name]
    assert report(books, pilot, a_report(sent))[0].instruction == Instruction.FORGET


def test_soft_finish_waits_for_what_runs_and_tries_nothing_again(books: Books) -> None:
    task_id = a_task_in(books, "running", max_attempts=3)
    pilot = a_pilot(books)
    good, bad = get_work(books, pilot).jobs
    tell(books, task_id, "finish", soft=True)
    run_stages(books)
    assert status(books, task_id) == "finishing"
    assert report(books, pilot, a_report(good, "running"))[0].instruction == Instruction.GO_ON
    report(books, pilot, a_report(good, nr=2), a_report(bad, "failed", pilot_error_code=1305))
    run_stages(books)
    assert (status(books, task_id), files(books, task_id)) == ("finished", ["finished", "failed"])
    assert get_work(books, pilot).jobs == ()


def test_soft_finish_with_all_done_is_done(books: Books) -> None:
    task_id = a_task_in(books, "running")
    tell(books, task_id, "finish", soft=True)
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_hard_finish_overtakes_a_soft_one_that_was_given_before(books: Books) -> None:
    task_id = a_task_in(books, "running")
    command(books, task_id, CommandRequest(command="finish", soft=True), "alice")
    command(books, task_id, CommandRequest(command="finish"), "alice")
    run_stages(books)
    assert (status(books, task_id), job_states(books)) == ("finished", ["cancelled"] * 2)


def test_kill_ends_a_finishing_task(books: Books) -> None:
    task_id = a_task_in(books, "running")
    get_work(books, a_pilot(books))
    tell(books, task_id, "finish", soft=True)
    tell(books, task_id, "kill")
    expire_leases(books)
    run_stages(books)
    assert status(books, task_id) == "aborted"


def test_paused_task_lets_running_jobs_end_and_starts_no_other(books: Books) -> None:
    task_id = a_task_in(books, "running", n_files_per_job=1)
    pilot = a_pilot(books)
    job = get_work(books, pilot, n_jobs=1).jobs[0]
    tell(books, task_id, "pause")
    assert job_states(books) == ["sent", "closed"]
    assert get_work(books, pilot).jobs == ()
    report(books, pilot, a_report(job))
    run_stages(books)
    assert (status(books, task_id), job_states(books)) == ("paused", ["finished", "closed"])
    tell(books, task_id, "resume")
    run_to_the_end(books)
    assert (status(books, task_id), job_states(books)) == ("done", ["finished", "closed",
                                                                   "finished"])  # fmt: skip


def test_task_whose_last_job_ended_during_its_pause_ends_when_resumed(books: Books) -> None:
    task_id = a_task_in(books, "running")
    pilot = a_pilot(books)
    jobs = get_work(books, pilot).jobs
    tell(books, task_id, "pause")
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)
    assert status(books, task_id) == "paused"
    tell(books, task_id, "resume")
    run_stages(books)
    assert status(books, task_id) == "done"


def test_resumed_task_waits_for_the_jobs_that_still_run(books: Books) -> None:
    task_id = a_task_in(books, "running")
    pilot = a_pilot(books)
    jobs = get_work(books, pilot).jobs
    tell(books, task_id, "pause")
    tell(books, task_id, "resume")
    run_stages(books)
    assert status(books, task_id) == "running"
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)
    assert status(books, task_id) == "done"


def test_retry_runs_only_what_did_not_succeed_with_fresh_attempts(books: Books) -> None:
    data, other = a_dataset(books, 3), a_dataset(books, 2)
    task_id = a_task(
        books, max_attempts=1, command="cat %IN %IN2",
        inputs=[{"datasets": [data]}, {"stream": "IN2", "datasets": [other]}],
    )  # fmt: skip
    run_stages(books)
    pilot = a_pilot(books)
    good, *bad = get_work(books, pilot).jobs
    report(books, pilot, a_report(good),
           *(a_report(job, "failed", pilot_error_code=1305) for job in bad))  # fmt: skip
    run_stages(books)
    assert (status(books, task_id), files(books, task_id)) == (
        "finished", ["finished", "failed", "failed"],
    )  # fmt: skip
    tell(books, task_id, "retry")
    run_stages(books)
    again = get_work(books, pilot).jobs
    assert [job.command for job in again] == [job.command for job in bad]
    assert [job.attempt_nr for job in again] == [2, 2]
    report(books, pilot, *(a_report(job) for job in again))
    run_stages(books)
    assert (status(books, task_id), files(books, task_id)) == ("done", ["finished"] * 3)
    secondary = "SELECT n_files, n_files_used, n_files_finished FROM dataset WHERE stream = 'IN2'"
    assert rows(books, secondary) == [(2, 2, 2)]


def test_retry_of_a_done_task_takes_new_files_of_its_input(books: Books) -> None:
    data = a_dataset(books, 1)
    task_id = a_task(books, inputs=[{"datasets": [data]}])
    run_to_the_end(books)
    assert status(books, task_id) == "done"
    tell(books, task_id, "retry")
    run_to_the_end(books)
    assert (status(books, task_id), files(books, task_id)) == ("done", ["finished"])
    a_dataset(books, 2, name=data)
    tell(books, task_id, "retry")
    run_to_the_end(books)
    assert (status(books, task_id), files(books, task_id)) == ("done", ["finished"] * 2)


def test_failed_and_broken_tasks_refuse_retry(books: Books) -> None:
    task_id = a_task_in(books, "running", max_attempts=1)
    pilot = a_pilot(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1305)
    assert status(books, task_id) == "failed"
    with pytest.raises(WrongStatus, match=f"task {task_id} is failed: retry needs one of aborted"):
        command(books, task_id, CommandRequest(command="retry"), "alice")


def test_commands_that_make_no_sense_are_refused(books: Books) -> None:
    task_id = a_task(books)
    with pytest.raises(NotFound, match="no task 7"):
        command(books, 7, CommandRequest(command="kill"), "alice")
    with pytest.raises(InvalidRequest, match="no command kil") as caught:
        command(books, task_id, CommandRequest(command="kil"), "alice")
    assert caught.value.faults[0].needed == "unknown; did you mean kill?"
    with pytest.raises(InvalidRequest, match="kill cannot be soft"):
        command(books, task_id, CommandRequest(command="kill", soft=True), "alice")
    with pytest.raises(WrongStatus, match="is registered: resume needs one of paused"):
        command(books, task_id, CommandRequest(command="resume"), "alice")


def test_command_that_came_too_late_says_so(books: Books) -> None:
    task_id = a_task_in(books, "running")
    pilot = a_pilot(books)
    command(books, task_id, CommandRequest(command="kill"), "alice")
    jobs = get_work(books, pilot).jobs
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books, "collect", "post_process")
    run_stages(books)
    assert value(books, "SELECT outcome FROM command") == "the task had moved on"
    assert status(books, task_id) == "done"


def test_long_reason_does_not_stop_the_command(books: Books) -> None:
    task_id = a_task_in(books, "running")
    get_work(books, a_pilot(books))
    request = CommandRequest(command="kill", reason="x" * 500)
    command(books, task_id, request, "a" * 63)
    run_stages(books)
    assert value(books, "SELECT MIN(kill_reason) FROM job") == "x" * 500


def test_many_jobs_are_ended_in_batches(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.stages import command as stage

    monkeypatch.setattr(stage, "JOBS_A_BATCH", 2)
    data = a_dataset(books, 5)
    task_id = a_task(books, inputs=[{"datasets": [data]}])
    run_stages(books)
    tell(books, task_id, "kill")
    run_stages(books)
    assert (status(books, task_id), job_states(books)) == ("aborted", ["cancelled"] * 5)


def test_single_waiting_job_is_cancelled_and_spends_an_attempt(books: Books) -> None:
    task_id = a_task_in(books, "running", max_attempts=2)
    for _ in range(2):
        job_id = value(books, "SELECT MIN(id) FROM job WHERE status = 'activated' "
                       "AND sequence_nr = 0")  # fmt: skip
        kill_job(books, job_id, "alice")
        run_stages(books)
    assert files(books, task_id) == ["failed", "picked"]
    run_to_the_end(books)
    assert status(books, task_id) == "finished"


def test_single_job_of_a_pilot_is_killed_by_it(books: Books) -> None:
    task_id = a_task_in(books, "running", max_attempts=1)
    pilot = a_pilot(books)
    job, other = get_work(books, pilot).jobs
    report(books, pilot, a_report(job, "running"))
    kill_job(books, job.job_id, "alice", "enough")
    answer = report(books, pilot, a_report(job, "running", 2))[0]
    assert (answer.instruction, answer.reason) == (Instruction.KILL, "enough")
    report(books, pilot, a_report(job, "failed", 3, pilot_error_code=1205), a_report(other))
    run_stages(books)
    assert job_states(books) == ["cancelled", "finished"]
    assert status(books, task_id) == "finished"
    with pytest.raises(WrongStatus, match="is cancelled: it has ended"):
        kill_job(books, job.job_id, "alice")
    with pytest.raises(NotFound, match="no job 99"):
        kill_job(books, 99, "alice")


def test_every_command_is_noted_with_its_outcome(books: Books) -> None:
    task_id = a_task_in(books, "running")
    tell(books, task_id, "pause")
    tell(books, task_id, "resume")
    assert rows(books, "SELECT command, outcome, user_name FROM command ORDER BY id") == [
        ("pause", "done", "alice"), ("resume", "done", "alice"),
    ]  # fmt: skip
    moves = (
        "SELECT event, actor, reason FROM status_history WHERE noun = 'task' AND actor = 'alice'"
    )
    assert rows(books, moves)[1:] == [
        ("pause_requested", "alice", "pause by alice"), ("resumed", "alice", "resume by alice"),
    ]  # fmt: skip


def test_stages_are_listed_in_the_order_of_a_task() -> None:
    assert list(STAGES)[:4] == list(WAY)
