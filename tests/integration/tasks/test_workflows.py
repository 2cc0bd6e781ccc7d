"""Workflows in the books: steps become tasks, what they come to decides what follows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from culm.core.errors import Conflict, InvalidRequest, LeaseLost, NotFound, WrongStatus
from culm.wire.views import CommandRequest
from tasks.share_rights import ShareRights
from tasks.specs import spec_of
from tasks.stages import STAGES
from tasks.stages.workflow_command import command_workflow
from tasks.stages.workflow_submit import submit_workflow
from tasks.store.books import Books
from tasks.workflows.starts import specify
from tests.builders import a_dataset, a_task, run_stages
from tests.integration.tasks.scene import rows, sql, value
from tests.integration.tasks.workflow_scene import (
    CHAIN,
    HEAD,
    Hands,
    a_workflow,
    chain,
    looping,
    n_tasks,
    planned,
    prun,
    status_of,
    steps,
    texts_of,
)

EXAMPLES = Path(__file__).parents[2] / "data" / "cwl"


def order(books: Books, workflow_id: int, command: str, **more: Any) -> str:
    """Give alice's command; gives the answer."""
    request = CommandRequest(command=command, **more)
    return command_workflow(books, workflow_id, request, "alice").message


def test_chain_runs_to_its_end(books: Books) -> None:
    hands = Hands(books)
    made = a_workflow(
        books, "simple_chain.cwl", texts_of(EXAMPLES, "simple_chain.cwl", "dummy.yaml"),
        "dummy.yaml", name="user.alice.chain",
    )  # fmt: skip
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert steps(books, made) == {"000_top": "done", "001_bottom": "done"}
    names = [job.task_name for job in hands.jobs]
    assert names == sorted(names)
    assert names.count("user.alice.chain_000_top") == 3
    assert names.count("user.alice.chain_001_bottom") == 3


@pytest.mark.parametrize(
    ("cwl", "yaml", "n_steps"),
    [("sig_bg_comb.cwl", "sig_bg_comb.yaml", 6), ("merge_many.cwl", "merge_many.yaml", 13)],
)
def test_documented_workflows_run_to_their_end(
    books: Books, cwl: str, yaml: str, n_steps: int
) -> None:
    files = texts_of(EXAMPLES, "sig_bg_comb.cwl", "merge_many.cwl", "sig_bg_comb.yaml",
                     "merge_many.yaml")  # fmt: skip
    # The documentation's own mistake, which is refused with the name that was meant.
    files["merge_many.yaml"] = files["merge_many.yaml"].replace("background:", "backgrounds:")
    inputs = planned(cwl, files, yaml).inputs
    for given in inputs.values():
        for name in given if isinstance(given, list) else [given]:
            a_dataset(books, 10, name)
    made = a_workflow(books, cwl, files, yaml)
    Hands(books).to_the_end()
    assert status_of(books, made) == ("done", "")
    assert set(steps(books, made).values()) == {"done"}
    assert len(steps(books, made)) == n_steps


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ((), {"000_top": "done", "001_bottom_OK": "done"}),
        (("000_top",), {"000_top": "failed", "002_bottom_NG": "done"}),
    ],
)
def test_conditions_choose_the_branch(
    books: Books, bad: tuple[str, ...], found: dict[str, str]
) -> None:
    hands = Hands(books)
    hands.bad = bad
    made = a_workflow(books, "cond.cwl", texts_of(EXAMPLES, "cond.cwl"))
    hands.to_the_end()
    assert status_of(books, made)[0] == "done"
    assert steps(books, made) == found


def test_loop_runs_until_its_junction_ends_it(books: Books) -> None:
    hands = Hands(books)
    hands.decisions = [{"x": 2, "to_terminate": False}, {"x": 3, "to_terminate": False},
                       {"to_terminate": True}]  # fmt: skip
    made = looping(books, name="user.alice.loop")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert list(steps(books, made)) == [
        "000_first", "001_work_0", "002_decide_0", "001_work_1", "002_decide_1", "001_work_2",
        "002_decide_2", "003_last"]  # fmt: skip
    spec = "SELECT document FROM task_parameters p JOIN task t ON t.id = p.task_id WHERE name = :n"
    name = "user.alice.loop_001_work_2"
    assert '"n_jobs": 3' in str(value(books, spec, n=name)).replace("'", '"')


def test_loop_over_a_scatter_slices_its_parameters(books: Books) -> None:
    hands = Hands(books)
    hands.decisions = [{"xxx": [1, 2], "yyy": [0.5, 0.25], "to_terminate": False},
                       {"to_terminate": True}]  # fmt: skip
    a_dataset(books, 1, "user.alice.signal")
    files = texts_of(EXAMPLES, "sequential_loop.cwl", "scatter_body.cwl", "loop_main.cwl")
    files["in.yaml"] = "signal: user.alice.signal"
    made = a_workflow(books, "sequential_loop.cwl", files, "in.yaml")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    commands = [job.command for job in hands.jobs]
    for slice_ in ("123", "456", "0.456", "0.866", "1", "2", "0.5", "0.25"):
        assert any(f" {slice_} " in f" {command} " for command in commands), (slice_, commands)


def test_failure_names_step_iteration_branch_and_reason(books: Books) -> None:
    hands = Hands(books)
    hands.bad = ("001_work_1",)
    hands.decisions = [{"to_terminate": False}]
    made = looping(books)
    hands.to_the_end()
    status, reason = status_of(books, made)
    assert status == "failed"
    assert reason.startswith("body.cwl:")
    assert "again#1/work: task 1000000" in reason
    assert "1 of 1 inputs did not succeed" in reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "list - a JSON object is needed"),
        ("{}", "to_terminate: missing - true ends the loop, false goes on"),
        ('{"to_terminate": 1}', "to_terminate: 1 - true or false is needed"),
        ('{"y": 1, "to_terminate": true}', "y: 1 - unknown; known are to_terminate, x"),
    ],
)
def test_junction_that_writes_nonsense_fails_in_words_and_can_be_retried(
    books: Books, text: str, words: str
) -> None:
    hands = Hands(books)
    hands.decisions = [text]
    made = looping(books)
    hands.to_the_end()
    status, reason = status_of(books, made)
    assert status == "failed"
    assert "again#0/decide: results.json of task" in reason
    assert words in reason
    assert order(books, made, "retry") == "retry accepted: 1 steps are done again"
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert n_tasks(books) == 5


def test_loop_that_does_not_end_is_stopped_and_a_retry_gives_it_more(books: Books) -> None:
    hands = Hands(books)
    hands.decisions = [{"to_terminate": False}] * 6
    made = looping(books)
    hands.to_the_end()
    status, reason = status_of(books, made)
    assert (status, "again: it did not end within 4 iterations" in reason) == ("failed", True)
    assert order(books, made, "retry") == "retry accepted: it goes on"
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert "002_decide_6" in steps(books, made)


def test_retry_does_what_failed_and_what_follows_and_nothing_else(books: Books) -> None:
    hands = Hands(books)
    hands.bad = ("001_mid",)
    made = chain(books)
    hands.to_the_end()
    assert steps(books, made) == {"000_top": "done", "001_mid": "failed"}
    assert "its parent mid failed" in status_of(books, made)[1]
    hands.bad = ()
    assert order(books, made, "retry") == "retry accepted: 1 steps are done again"
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert set(steps(books, made).values()) == {"done"}
    assert [job.task_name[-6:] for job in hands.jobs] == ["00_top", "01_mid", "01_mid", "02_end"]


def test_retry_takes_up_the_tasks_that_did_part_of_their_work(books: Books) -> None:
    hands = Hands(books)
    a_dataset(books, 3, "user.alice.three")
    text = HEAD + prun("part", "{default: user.alice.three}", "--nFilesPerJob 1") + prun(
        "after", "part/outDS", "--nFilesPerJob 1")  # fmt: skip
    made = a_workflow(books, "w.cwl", {"w.cwl": text})
    hands.bad_jobs = 1
    hands.to_the_end()
    assert status_of(books, made)[0] == "finished"
    assert steps(books, made) == {"000_part": "finished", "001_after": "done"}
    order(books, made, "retry")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert n_tasks(books) == 2
    names = [job.task_name[-4:] for job in hands.jobs]
    assert (names.count("part"), names.count("fter")) == (4, 3)


def test_task_that_is_told_to_go_on_has_not_ended(books: Books) -> None:
    hands = Hands(books)
    a_dataset(books, 2, "user.alice.two")
    text = HEAD + prun("part", "{default: user.alice.two}", "--nFilesPerJob 1")
    made = a_workflow(books, "w.cwl", {"w.cwl": text})
    hands.bad_jobs = 1
    hands.to_the_end()
    order(books, made, "retry")
    run_stages(books, "workflow")
    sql(books, "UPDATE workflow SET news = news + 1")
    run_stages(books, "workflow")
    assert steps(books, made) == {"000_part": "submitted"}
    # A command that changes nothing lets the workflow look at the task again.
    sql(books, "UPDATE command SET command = 'resume' WHERE done_at IS NULL")
    run_stages(books, "command", "workflow")
    assert steps(books, made) == {"000_part": "finished"}
    assert status_of(books, made)[0] == "finished"


def test_branch_not_taken_after_a_retry_is_unused(books: Books) -> None:
    hands = Hands(books)
    hands.bad = ("000_top", "002_bottom_NG")
    made = a_workflow(books, "cond.cwl", texts_of(EXAMPLES, "cond.cwl"))
    hands.to_the_end()
    assert status_of(books, made)[0] == "failed"
    hands.bad = ()
    order(books, made, "retry")
    hands.to_the_end()
    assert status_of(books, made)[0] == "done"
    assert steps(books, made) == {
        "000_top": "done", "002_bottom_NG": "unused", "001_bottom_OK": "done"}  # fmt: skip


def test_child_runs_beside_its_parent(books: Books) -> None:
    hands = Hands(books)
    text = HEAD + prun("top", more="--nJobs 3") + prun("low", "top/outDS", "--nFilesPerJob 1")
    made = a_workflow(books, "w.cwl", {"w.cwl": text})
    run_stages(books)
    hands.one_job()
    run_stages(books)
    assert steps(books, made) == {"000_top": "producing", "001_low": "submitted"}
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert len(hands.jobs) == 6


def test_kill_ends_everything_and_a_retry_goes_on(books: Books) -> None:
    hands = Hands(books)
    made = chain(books)
    run_stages(books)
    assert order(books, made, "kill", reason="wrong data") == "kill accepted: 1 tasks are told"
    run_stages(books)
    assert status_of(books, made) == ("aborted", "killed")
    assert steps(books, made) == {"000_top": "aborted"}
    order(books, made, "retry")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert n_tasks(books) == 3


def test_finish_starts_no_more_steps(books: Books) -> None:
    hands = Hands(books)
    made = chain(books)
    hands.turn()
    order(books, made, "finish", soft=True)
    hands.to_the_end()
    status, reason = status_of(books, made)
    assert (status, reason) == ("finished", "told to finish before all of its steps had started")
    assert len(steps(books, made)) < 3
    order(books, made, "retry")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")


def test_paused_workflow_waits_and_resumes(books: Books) -> None:
    hands = Hands(books)
    made = chain(books)
    run_stages(books)
    order(books, made, "pause")
    hands.to_the_end()
    assert status_of(books, made)[0] == "paused"
    assert hands.jobs == []
    order(books, made, "resume")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")


@pytest.mark.parametrize(
    ("status", "command", "words"),
    [
        ("running", "retry", "needs one of aborted, failed, finished"),
        ("done", "kill", "needs one of finishing, paused, registered, running"),
        ("done", "retry", "workflow {id} is done"),
        ("running", "resume", "needs one of paused"),
    ],
)
def test_command_that_does_not_fit_is_refused(
    books: Books, status: str, command: str, words: str
) -> None:
    made = chain(books)
    run_stages(books) if status == "running" else Hands(books).to_the_end()
    with pytest.raises(WrongStatus) as refused:
        order(books, made, command)
    assert words.format(id=made) in str(refused.value)


def test_unknown_command_and_workflow_are_named(books: Books) -> None:
    made = chain(books)
    with pytest.raises(InvalidRequest, match="no command kil for workflows"):
        order(books, made, "kil")
    with pytest.raises(InvalidRequest, match="cannot be soft"):
        order(books, made, "kill", soft=True)
    with pytest.raises(InvalidRequest, match="take no parameters"):
        order(books, made, "retry", parameters={"x": 1})
    for command in ("kill", "retry"):
        with pytest.raises(NotFound, match="no workflow 99"):
            order(books, 99, command)


def test_same_key_gives_the_same_workflow(books: Books) -> None:
    plan = planned("w.cwl", {"w.cwl": CHAIN})
    first = submit_workflow(books, plan, "alice", "k")
    again = submit_workflow(books, plan, "alice", "k")
    assert (first.created, again.created) == (True, False)
    assert first.workflow_id == again.workflow_id
    other = planned("w.cwl", {"w.cwl": CHAIN})
    with pytest.raises(Conflict, match=r"key k was used for workflow \d+"):
        submit_workflow(books, other, "alice", "k")
    with pytest.raises(Conflict, match=r"has the name user\.alice\.w.* already"):
        submit_workflow(books, plan, "alice", "other")


REFUSED = [
    ({"w.cwl": HEAD + prun("a", "{default: user.alice.none}")},
     "w.cwl:6 a inputs[0].datasets: user.alice.none - no such dataset"),
    ({"w.cwl": HEAD + prun("a", more="--workingGroup higgs")},
     "working_group: only the production role may say whose share a task counts for"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "words"), REFUSED)
def test_what_cannot_run_is_refused_whole(books: Books, files: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        a_workflow(books, "w.cwl", files)
    assert words in str(refused.value)
    assert rows(books, "SELECT id FROM workflow") == []


def test_owner_s_rights_hold_for_each_task(books: Books) -> None:
    rights = ShareRights(vo="atlas", groups=("higgs",))
    files = {"w.cwl": HEAD + prun("a", more="--workingGroup higgs")}
    a_workflow(books, "w.cwl", files, rights=rights)
    run_stages(books)
    with books.read() as session:
        spec = spec_of(session, value(books, "SELECT id FROM task"))
    assert (spec.vo, spec.working_group) == ("atlas", "higgs")
    files = {"w.cwl": HEAD + prun("a", more="--workingGroup top")}
    with pytest.raises(InvalidRequest, match="top is not one that you run production for"):
        a_workflow(books, "w.cwl", files, rights=rights)


def test_missing_sandbox_is_refused(books: Books) -> None:
    from dataclasses import replace

    plan = planned("w.cwl", {"w.cwl": CHAIN})
    plan = replace(plan, submission=replace(plan.submission, sandbox="a" * 64))
    with pytest.raises(InvalidRequest, match="upload it first"):
        submit_workflow(books, plan, "alice", "k")


def test_step_whose_name_is_taken_fails_in_words_and_can_be_retried(books: Books) -> None:
    hands = Hands(books)
    other = a_task(books, name="user.alice.taken_001_mid")
    made = chain(books, name="user.alice.taken")
    hands.to_the_end()
    status, reason = status_of(books, made)
    assert status == "failed"
    words = rf"mid: task {other} \(\w+\) has the name user\.alice\.taken_001_mid already"
    assert re.search(words, reason), reason
    assert order(books, made, "retry") == "retry accepted: 1 steps are done again"
    hands.to_the_end()
    assert status_of(books, made)[0] == "failed"


def test_second_look_finds_nothing_to_do(books: Books) -> None:
    made = chain(books)
    stage = STAGES["workflow"]
    (claim,) = stage.claim(books, "one", 10)
    stage.work(books, claim, "one")
    assert stage.claim(books, "one", 10) == []
    with books.write() as session:
        session.connection().exec_driver_sql("UPDATE workflow SET news = news + 1")
    (claim,) = stage.claim(books, "two", 10)
    stage.work(books, claim, "two")
    assert (n_tasks(books), len(steps(books, made))) == (1, 1)


def test_agent_that_lost_its_lease_writes_nothing(books: Books) -> None:
    made = chain(books)
    stage = STAGES["workflow"]
    (claim,) = stage.claim(books, "one", 10)
    with books.write() as session:
        session.connection().exec_driver_sql("UPDATE lock SET owner = 'two'")
    with pytest.raises(LeaseLost):
        stage.work(books, claim, "one")
    assert (n_tasks(books), steps(books, made)) == (0, {})


@pytest.mark.parametrize("happened", ["lease taken over", "paused"])
def test_look_that_is_stale_when_it_is_written_writes_nothing(
    books: Books, monkeypatch: pytest.MonkeyPatch, happened: str
) -> None:
    made, stage = chain(books), STAGES["workflow"]
    (claim,) = stage.claim(books, "one", 10)

    def meanwhile(*given: Any) -> Any:
        if happened == "paused":
            command_workflow(books, made, CommandRequest(command="pause"), "alice")
        else:
            with books.write() as session:
                session.connection().exec_driver_sql("UPDATE lock SET owner = 'two'")
        return specify(*given)

    monkeypatch.setattr("tasks.stages.workflow.specify", meanwhile)
    if happened == "paused":
        assert "has moved on" in stage.work(books, claim, "one").message
    else:
        with pytest.raises(LeaseLost):
            stage.work(books, claim, "one")
    assert (n_tasks(books), steps(books, made)) == (0, {})
    monkeypatch.undo()
    if happened == "paused":
        command_workflow(books, made, CommandRequest(command="resume"), "alice")
    else:
        stage.give_back(books, [claim], "two")
    run_stages(books)
    assert n_tasks(books) == 1, "nothing is lost by it"


def test_task_killed_by_its_owner_fails_its_step(books: Books) -> None:
    hands = Hands(books)
    made = chain(books)
    run_stages(books)
    from tasks.stages.command import command

    task = value(books, "SELECT task_id FROM workflow_step")
    command(books, task, CommandRequest(command="kill", reason="too slow"), "alice")
    hands.to_the_end()
    assert status_of(books, made)[0] == "failed"
    assert f"top: task {task} aborted: too slow" in status_of(books, made)[1]


def test_wide_scatter_is_submitted_in_a_few_transactions(books: Books) -> None:
    text = (
        "cwlVersion: v1.2\nclass: Workflow\nrequirements: {ScatterFeatureRequirement: {}}\n"
        "inputs: {n: 'string[]'}\noutputs: []\nsteps:\n" + prun("wide").replace(
            "    in:\n", "    scatter: opt_args\n    in:\n").replace(
            "{default: '--outputs a.txt --maxAttempt 1 '}", "n")
    )  # fmt: skip
    values = ", ".join(f"'--outputs a.txt --nJobs {i % 3 + 1}'" for i in range(2500))
    made = a_workflow(books, "w.cwl", {"w.cwl": text, "n.yaml": f"n: [{values}]"}, "n.yaml")
    run_stages(books, "workflow")
    assert n_tasks(books) == 2500
    assert list(steps(books, made))[-1] == "000_wide_2499"
    order(books, made, "kill")
    with books.write() as session:  # the commands would take their time
        session.connection().exec_driver_sql("DELETE FROM command")
