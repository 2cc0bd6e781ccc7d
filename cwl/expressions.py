"""Values of CWL expressions, many at once: references and conditions here, JavaScript in bulk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cwl.conditions import condition


@dataclass(frozen=True, slots=True)
class Question:
    """An expression and what it may refer to. Without `scripts` JavaScript is not allowed."""

    expression: str
    inputs: Mapping[str, Any]
    about: Any = None
    scripts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NoValue:
    """An expression has no value: why, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Script:
    """A piece of JavaScript, `(…)` or `{…}`, with `inputs` and `self` as it sees them."""

    code: str
    inputs: Mapping[str, Any]
    about: Any
    library: tuple[str, ...]


RunScripts = Callable[[Sequence[Script]], Sequence[Any]]
"""Runs scripts; gives a value or a NoValue for each."""
Answers = Callable[[Sequence[Question]], Sequence[Any]]
"""Answers questions; gives a value or a NoValue for each."""


def answers(questions: Sequence[Question], run_scripts: RunScripts) -> list[Any]:
    """The value of each expression, or a NoValue. All scripts of all of them run together."""
    found: list[Any] = []
    scripts: list[Script] = []
    open_questions: list[int] = []
    for number, question in enumerate(questions):
        before = len(scripts)
        found.append(_answer(question, _ask_later(question, scripts)))
        if len(scripts) > before:
            open_questions.append(number)
    values = iter(run_scripts(scripts)) if scripts else iter(())
    for number in open_questions:
        found[number] = _answer(questions[number], lambda _: next(values))
    return found


def is_expression(text: Any) -> bool:
    """Whether a text holds an expression."""
    return isinstance(text, str) and ("$(" in text or "${" in text)


def _ask_later(question: Question, scripts: list[Script]) -> Callable[[str], Any]:
    def ask(code: str) -> Any:
        scripts.append(Script(code, question.inputs, question.about, question.scripts or ()))
        return None

    return ask


def _answer(question: Question, script_value: Callable[[str], Any]) -> Any:
    if not is_expression(question.expression):
        return question.expression
    test = condition(question.expression)
    if test is not None:
        return test(question.inputs)
    return _interpolated(question, script_value)


def _interpolated(question: Question, script_value: Callable[[str], Any]) -> Any:
    from cwl_utils.errors import JavascriptException, SubstitutionError, WorkflowException
    from cwl_utils.expression import interpolate

    variables: Any = {"inputs": dict(question.inputs), "self": question.about, "runtime": {}}
    allowed, engine = question.scripts is not None, _engine_kind()(script_value)
    try:
        value = interpolate(question.expression, variables, fullJS=allowed, js_engine=engine)
    except (JavascriptException, SubstitutionError, WorkflowException) as error:
        return NoValue(_words(question.expression, str(error)))
    return engine.missing[0] if engine.missing else value


@cache
def _engine_kind() -> Any:
    from cwl_utils.sandboxjs import NodeJSEngine

    class Engine(NodeJSEngine):
        """cwl_utils' own references; what scripts give is asked of somebody else."""

        def __init__(self, script_value: Callable[[str], Any]) -> None:
            super().__init__()
            self.script_value = script_value
            self.missing: list[NoValue] = []

        def eval(self, scan: str, jslib: str = "", *more: Any, **kwargs: Any) -> Any:
            """The value of a script."""
            del jslib, more, kwargs
            value = self.script_value(scan)
            if isinstance(value, NoValue):
                self.missing.append(value)
                return None
            return value

    return Engine


def _words(expression: str, error: str) -> str:
    return f"{expression.strip()[:80]}: {' '.join(error.split())[:300]}"
