"""Conditions without JavaScript: references to inputs, `!`, `&&`, `||`, parentheses.

This is all that PanDA's conditions are (documentation, 4.1.8 "Conditional workflow"), so its
workflows need no JavaScript. What is true is what JavaScript takes for true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

NOT_TERMINATED = "$(!inputs.to_terminate)"
"""The condition of PanDA's loops: go on until a junction says `to_terminate`."""

_TOKEN = re.compile(
    r"\s*(?:(inputs\.[A-Za-z_]\w*|true|false|null)(?![\w.\[(])|(&&|\|\||!(?!=)|[()]))"
)
Test = Callable[[Mapping[str, Any]], Any]


@cache
def condition(expression: str) -> Test | None:
    """A test of inputs that gives what the expression would; None if it needs JavaScript."""
    text = expression.strip()
    if not (text.startswith("$(") and text.endswith(")")):
        return None
    tokens = _tokens(text[2:-1])
    if not tokens:
        return None
    try:
        test, rest = _either(tokens)
    except (IndexError, _NotSimple):
        return None
    return None if rest else test


def is_true(value: Any) -> bool:
    """Whether JavaScript takes a JSON value for true: lists and objects always are."""
    return isinstance(value, (list, dict)) or bool(value)


class _NotSimple(Exception):
    """Something that this grammar does not know."""


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return found if found and not text[at:].strip() else []
        found.append(match[1] or match[2])
        at = match.end()
    return found


def _either(tokens: list[str]) -> tuple[Test, list[str]]:
    left, rest = _both(tokens)
    while rest[:1] == ["||"]:
        right, rest = _both(rest[1:])
        left = _or(left, right)
    return left, rest


def _both(tokens: list[str]) -> tuple[Test, list[str]]:
    left, rest = _one(tokens)
    while rest[:1] == ["&&"]:
        right, rest = _one(rest[1:])
        left = _and(left, right)
    return left, rest


def _one(tokens: list[str]) -> tuple[Test, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first == "!":
        inner, rest = _one(rest)
        return _not(inner), rest
    if first == "(":
        inner, rest = _either(rest)
        if rest[:1] != [")"]:
            raise _NotSimple
        return inner, rest[1:]
    if first in (")", "&&", "||"):
        raise _NotSimple
    return _atom(first), rest


def _atom(token: str) -> Test:
    constants = {"true": True, "false": False, "null": None}
    if token in constants:
        value = constants[token]
        return lambda _: value
    name = token.removeprefix("inputs.")
    return lambda inputs: inputs.get(name)


def _or(left: Test, right: Test) -> Test:
    def test(inputs: Mapping[str, Any]) -> Any:
        value = left(inputs)
        return value if is_true(value) else right(inputs)

    return test


def _and(left: Test, right: Test) -> Test:
    def test(inputs: Mapping[str, Any]) -> Any:
        value = left(inputs)
        return right(inputs) if is_true(value) else value

    return test


def _not(inner: Test) -> Test:
    return lambda inputs: not is_true(inner(inputs))
