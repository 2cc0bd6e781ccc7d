"""`loadContents` in workflows: files of the user, and what tools wrote."""

from __future__ import annotations

from typing import Any

import pytest

from culm.wire.workflows import LONGEST_CONTENTS
from cwl.bundle import Bundle
from cwl.expressions import answers
from cwl.javascript import run_scripts
from cwl.outcomes import Outcome, Status
from cwl.plan import plan_from_json
from cwl.walk import Run, Walk
from cwl.worker import look_at

TOOL = (
    "{class: CommandLineTool, baseCommand: cat, inputs: {t: string?, f: File?}, "
    "outputs: {made: {type: File, outputBinding: {glob: m.txt}}}}"
)
FLOW = (
    "cwlVersion: v1.2\nclass: Workflow\n"
    "requirements: {StepInputExpressionRequirement: {}, InlineJavascriptRequirement: {}}\n"
    "inputs: {text: {type: File, loadContents: true}}\noutputs: []\nsteps:\n"
    f"  one: {{run: {TOOL}, in: {{t: {{source: text, valueFrom: $(self.contents)}}}}, "
    "out: [made]}\n"
    f"  two: {{run: {TOOL}, in: {{t: {{source: one/made, loadContents: true, "
    "valueFrom: $(self.contents)}}, out: []}\n"
)
ORDER = "text: {class: File, path: a.txt}"


def looked_at(**files: str) -> Any:
    texts = {name.replace("_", "."): text for name, text in files.items()}
    bundle = Bundle(files={"w.cwl": FLOW, "in.yml": ORDER, **texts}, cwl="w.cwl", yaml="in.yml")
    return look_at(bundle, "user.a.w")


def begun(found: Any) -> Walk:
    run = Run(inputs=found["inputs"], name="user.a.w")
    return Walk(plan_from_json(found["plan"]), run, lambda asked: answers(asked, run_scripts))


def test_expressions_see_the_contents_of_files_of_the_user_and_of_tools() -> None:
    walk = begun(looked_at(a_txt="mine"))
    (first,) = walk.advance()
    assert first.inputs["t"] == "mine"
    made = {"class": "File", "location": "culm://d/7/m.txt", "contents": "theirs"}
    (second,) = walk.advance({first.id: Outcome(status=Status.SUCCEEDED, outputs={"made": made})})
    assert second.inputs["t"] == "theirs"


def test_contents_that_nobody_told_fail_the_step_in_words() -> None:
    walk = begun(looked_at(a_txt="mine"))
    (first,) = walk.advance()
    made = {"class": "File", "location": "culm://d/7/m.txt", "basename": "m.txt"}
    assert not walk.advance({first.id: Outcome(status=Status.SUCCEEDED, outputs={"made": made})})
    (failure,) = walk.failures
    assert failure.reason == (
        "t: m.txt: a text of at most 64 KiB in UTF-8, for loadContents is needed"
    )


@pytest.mark.parametrize("files", [{}, {"a_txt": "x" * (LONGEST_CONTENTS + 1)}])
def test_file_without_contents_is_a_fault_of_the_job_order(files: dict[str, str]) -> None:
    (fault,) = looked_at(**files)["faults"]
    assert (fault["field"], fault["value"]) == ("text", "a.txt")
    assert "at most 64 KiB" in fault["needed"]
