"""Expression tools over plain values: their outputs come with other expressions, without a job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cwl.expressions import Answers, Question
from cwl.nodes import short
from cwl.outcomes import Start
from cwl.plan import Kind, Plan, Tool
from cwl.value_types import fits

_ELSEWHERE = ('"File"', '"Directory"')
"""Of what is of these classes, a job knows more: paths, sizes, listings."""


def computed(plan: Plan, starts: Sequence[Start], answer: Answers) -> dict[str, dict[str, Any]]:
    """The outputs of those of these instances that can be had at once, by their ids.

    What is left out is a job: it needs files, or `runtime`, or something is wrong with it, and
    cwltool has the right words for that.
    """
    asked = {}
    for start in starts:
        question = _question(plan.tools[start.tool], start) if start.kind is Kind.TOOL else None
        if question is not None:
            asked[start.id] = question
    values = answer(list(asked.values())) if asked else ()
    return {name: dict(value) for name, value in zip(asked, values, strict=True)
            if isinstance(value, Mapping) and _is_plain(value)}  # fmt: skip


def _question(tool: Tool, start: Start) -> Question | None:
    """What is to be answered; None if that cannot be done here."""
    document, expression = tool.document, str(tool.document.get("expression") or "")
    asked = (*tool.requirements, *tool.hints)
    named = any(one["class"] == "SchemaDefRequirement" for one in asked)
    if document["class"] != "ExpressionTool" or "runtime" in expression or named:
        return None
    values = {}
    for given in document["inputs"]:
        name = short(str(given["id"]))
        value = start.inputs.get(name)
        values[name] = given.get("default") if value is None else value
        if not fits(given["type"], values[name]):
            return None
    if not _is_plain(values):
        return None
    scripts = next((tuple(map(str, one.get("expressionLib") or ())) for one in asked
                    if one["class"] == "InlineJavascriptRequirement"), None)  # fmt: skip
    return Question(expression, values, None, scripts)


def _is_plain(value: Any) -> bool:
    text = json.dumps(value)
    return not any(word in text for word in _ELSEWHERE)
