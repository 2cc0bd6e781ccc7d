"""Tools of standard CWL in workflows: tasks of one job, whose results are the steps' values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from culm.core.errors import InvalidRequest
from culm.wire.job_spec import JobSpec
from culm.wire.views import CommandRequest
from tasks.audit import audit
from tasks.stages.workflow_command import command_workflow
from tasks.store.books import Books
from tests.integration.tasks.scene import rows
from tests.integration.tasks.workflow_scene import Hands, a_workflow, status_of, steps

FILES = {
    "w.cwl": "cwlVersion: v1.2\nclass: Workflow\nrequirements: {ScatterFeatureRequirement: {}}\n"
    "inputs: {texts: 'File[]'}\noutputs: {n: {type: int, outputSource: count/n}}\nsteps:\n"
    "  up: {run: up.cwl, scatter: text, in: {text: texts}, out: [out]}\n"
    "  count: {run: count.cwl, in: {texts: up/out}, out: [n]}\n",
    "up.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: cat\n"
    "requirements: {ResourceRequirement: {coresMin: 1, ramMin: 700}}\n"
    "inputs: {text: {type: File, inputBinding: {}}}\noutputs: {out: stdout}\n",
    "count.cwl": "cwlVersion: v1.2\nclass: ExpressionTool\n"
    "requirements: {InlineJavascriptRequirement: {}}\ninputs: {texts: 'File[]'}\n"
    "outputs: {n: int}\nexpression: '${return {n: inputs.texts.length};}'\n",
    "in.yml": "texts: [{class: File, path: a.txt}, {class: File, location: sub/b.txt}]\n",
}


def succeeded(**outputs: Any) -> dict[str, Any]:
    return {"status": "success", "reason": "", "outputs": outputs}


def a_file(location: str) -> dict[str, Any]:
    return {"class": "File", "location": location, "basename": location}


GOOD = {
    "_up_0": succeeded(out=a_file("a.upper")),
    "_up_1": succeeded(out=a_file("b.upper")),
    "_count": succeeded(n=2),
}


def described(job: JobSpec) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(job.files["culm_tool.json"])
    return found


def test_values_and_files_go_from_tool_to_tool(books: Books) -> None:
    hands = Hands(books)
    hands.results = GOOD
    workflow = a_workflow(books, "w.cwl", FILES, "in.yml", name="user.alice.t")
    hands.to_the_end()
    assert status_of(books, workflow) == ("done", "")
    ((outputs,),) = rows(books, "SELECT outputs FROM workflow")
    assert (json.loads(outputs) if isinstance(outputs, str) else outputs) == {"n": 2}
    by_name = {job.task_name: job for job in hands.jobs}
    up, count = by_name["user.alice.t_000_up_1"], by_name["user.alice.t_001_count"]
    assert up.memory_mb == 700
    assert described(up)["inputs"]["text"] == {
        "class": "File", "location": "file:///culm-bundle/sub/b.txt", "basename": "b.txt",
        "nameroot": "b", "nameext": ".txt",
    }  # fmt: skip
    places = [one["location"] for one in described(count)["inputs"]["texts"]]
    numbers = [job.task_id for name, job in by_name.items() if "_up_" in name]
    assert sorted(places) == [
        f"culm://user.alice.t_000_up_{nr}_cwl_files.tgz/{task}/{'ab'[nr]}.upper"
        for nr, task in enumerate(sorted(numbers))
    ]
    # The archives that hold these files are the job's input.
    assert sorted(item.lfn.split(".")[2] for item in count.inputs) == sorted(map(str, numbers))
    with books.read() as session:
        assert audit(session) == []


def test_tool_that_fails_for_good_fails_its_step_and_runs_anew_when_retried(books: Books) -> None:
    hands = Hands(books)
    failed = {"status": "permanentFail", "reason": "exit 3", "outputs": {}}
    hands.results = GOOD | {"_up_1": failed}
    workflow = a_workflow(books, "w.cwl", FILES, "in.yml")
    hands.to_the_end()
    status, reason = status_of(books, workflow)
    assert (status, len(hands.jobs)) == ("failed", 2), "nobody tries again"
    assert "the tool failed: exit 3" in reason
    hands.results = GOOD | {"_up_1.2": GOOD["_up_1"]}
    command_workflow(books, workflow, CommandRequest(command="retry"), "alice")
    hands.to_the_end()
    assert status_of(books, workflow)[0] == "done"
    assert set(steps(books, workflow).values()) == {"done"}
    ((where,),) = rows(books, "SELECT outcome FROM workflow_step WHERE instance = '000_up_1'")
    assert ".2_cwl_files.tgz/" in json.dumps(where)


def test_result_that_is_none_fails_the_step_in_words(books: Books) -> None:
    hands = Hands(books)
    hands.results = GOOD | {"_up_0": {"status": "success"}}
    workflow = a_workflow(books, "w.cwl", FILES, "in.yml")
    hands.to_the_end()
    assert "handed in no result of a tool" in status_of(books, workflow)[1]


_NUMBERS = {
    "w.cwl": "cwlVersion: v1.2\nclass: Workflow\nrequirements: {ScatterFeatureRequirement: {}}\n"
    "inputs: {xs: 'int[]'}\noutputs: {n: {type: int, outputSource: sum/n}}\nsteps:\n"
    "  twice: {run: twice.cwl, scatter: x, in: {x: xs}, out: [y]}\n"
    "  sum: {run: sum.cwl, in: {xs: twice/y}, out: [n]}\n",
    "twice.cwl": "cwlVersion: v1.2\nclass: ExpressionTool\n"
    "requirements: {InlineJavascriptRequirement: {expressionLib: ['var two = 2;']}}\n"
    "inputs: {x: int, by: {type: int?, default: 1}}\noutputs: {y: int}\n"
    "expression: '${if (inputs.x > 9) throw 1; return {y: two * inputs.x * inputs.by};}'\n",
    "sum.cwl": "cwlVersion: v1.2\nclass: ExpressionTool\n"
    "requirements: {InlineJavascriptRequirement: {}}\ninputs: {xs: 'int[]'}\noutputs: {n: int}\n"
    "expression: '${return {n: inputs.xs.reduce(function(a, b) {return a + b;}, 0)};}'\n",
}


def test_expressions_over_plain_values_are_done_without_jobs(books: Books) -> None:
    hands = Hands(books)
    files = _NUMBERS | {"in.yml": "xs: [1, 2, 4]"}
    workflow = a_workflow(books, "w.cwl", files, "in.yml")
    hands.to_the_end()
    assert (status_of(books, workflow)[0], hands.jobs) == ("done", [])
    assert set(steps(books, workflow).values()) == {"done"}
    ((outputs,),) = rows(books, "SELECT outputs FROM workflow")
    assert (json.loads(outputs) if isinstance(outputs, str) else outputs) == {"n": 14}
    with books.read() as session:
        assert audit(session) == []


def test_expression_without_a_value_is_a_job_whose_words_count_and_is_done_when_retried(
    books: Books,
) -> None:
    hands = Hands(books)
    failed = {"status": "permanentFail", "reason": "thrown", "outputs": {}}
    hands.results = {"_twice_1": failed}
    files = _NUMBERS | {"in.yml": "xs: [1, 10]"}
    workflow = a_workflow(books, "w.cwl", files, "in.yml")
    hands.to_the_end()
    status, reason = status_of(books, workflow)
    assert (status, [job.task_name.rpartition("000")[2] for job in hands.jobs]) == (
        "failed", ["_twice_1"],
    )  # fmt: skip
    assert "the tool failed: thrown" in reason
    hands.results = {"_twice_1.2": succeeded(y=20)}
    command_workflow(books, workflow, CommandRequest(command="retry"), "alice")
    hands.to_the_end()
    assert status_of(books, workflow) == ("done", "")
    ((outputs,),) = rows(books, "SELECT outputs FROM workflow")
    assert (json.loads(outputs) if isinstance(outputs, str) else outputs) == {"n": 22}


def test_input_that_is_missing_is_named_before_anything_runs(books: Books) -> None:
    with pytest.raises(InvalidRequest, match="the workflow needs the input texts"):
        a_workflow(books, "w.cwl", FILES)
