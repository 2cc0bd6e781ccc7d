"""Which expression tools are computed with the workflow, and which are jobs."""

from __future__ import annotations

from typing import Any

import pytest

from cwl.computing import computed
from cwl.expressions import answers
from cwl.javascript import run_scripts
from cwl.outcomes import Start
from cwl.plan import Kind
from tests.cwl_scene import planned

TOOL = (
    "cwlVersion: v1.2\nclass: ExpressionTool\nrequirements: {InlineJavascriptRequirement: {}}\n"
    "inputs: {x: {type: int, default: 3}, f: File?}\noutputs: {y: Any?}\nexpression: "
)


def outputs(expression: str, inputs: dict[str, Any], text: str = TOOL) -> Any:
    """What one tool gives at once; None if it is a job."""
    plan = planned("t.cwl", t_cwl=f"{text}{expression!r}\n")
    start = Start(id="a", path="a", step="a", kind=Kind.TOOL, place="", tool="t.cwl", inputs=inputs)
    return computed(plan, [start], lambda asked: answers(asked, run_scripts)).get("a")


@pytest.mark.parametrize(("expression", "inputs", "found"), [
    ("${return {y: inputs.x + 1};}", {"x": 1}, {"y": 2}),
    ("$({y: inputs.x})", {}, {"y": 3}),
    ("${return 5;}", {}, None),
    ("${throw 1;}", {}, None),
    ("${return {y: runtime.cores};}", {}, None),
    ("${return {y: inputs.x};}", {"x": "one"}, None),
    ("${return {y: 1};}", {"f": {"class": "File", "location": "culm://d/1/f"}}, None),
    ('${return {y: {class: "File", basename: "a", contents: "b"}};}', {}, None),
])  # fmt: skip
def test_expression_over_plain_values_is_computed_and_all_else_is_a_job(
    expression: str, inputs: dict[str, Any], found: Any
) -> None:
    assert outputs(expression, inputs) == found


def test_tool_with_a_command_is_a_job() -> None:
    text = TOOL.replace("ExpressionTool", "CommandLineTool").replace("expression:", "baseCommand:")
    assert outputs("true", {}, text) is None
