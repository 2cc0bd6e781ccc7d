"""The quick way from JSON values to messages: one closure a type, made once.

It takes what is right and says of the rest only that it does not fit; `culm.wire.codec` then
goes through it again and names every fault. So its rules must be no wider than the codec's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import cache
from typing import Any, get_type_hints

from culm.wire.shapes import LONGEST, half_characters, shape_of

Reader = Callable[[Any], Any]


class Misfit(Exception):
    """Something in the value is not as the message needs it."""


@cache
def message_reader(kind: type) -> Reader:
    """A reader of this dataclass; it raises Misfit."""
    hints = get_type_hints(kind)
    plan = [
        (f.name, _reader(hints[f.name], f.metadata),
         f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    ]  # fmt: skip

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise Misfit
        found = {}
        for name, reader, required in plan:
            if name in value:
                found[name] = reader(value[name])
            elif required:
                raise Misfit
        if len(found) != len(value):
            raise Misfit
        return kind(**found)

    return read


def _reader(hint: Any, rules: Mapping[str, Any]) -> Reader:
    shape, inner, optional = shape_of(hint)
    reader = _READERS[shape](inner, rules)
    return _or_none(reader) if optional else reader


def _or_none(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


def _sequence(item: Any, rules: Mapping[str, Any]) -> Reader:
    reader = _reader(item, rules)

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise Misfit
        return tuple([reader(one) for one in value])

    return read


def _mapping(item: Any, rules: Mapping[str, Any]) -> Reader:
    reader = _reader(item, rules)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise Misfit
        return {str(key): reader(one) for key, one in value.items()}

    return read


def _choice(kind: type[StrEnum], _: Mapping[str, Any]) -> Reader:
    members = {member.value: member for member in kind}

    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in members:
            raise Misfit
        return members[value]

    return read


def _message(kind: type, _: Mapping[str, Any]) -> Reader:
    # Looked up when it is needed: a message may hold others of its kind.
    return lambda value: message_reader(kind)(value)  # noqa: PLW0108


def _plain(kind: type, rules: Mapping[str, Any]) -> Reader:
    if kind is str:
        return _text(rules)
    return _truth if kind is bool else _number(kind, rules)


def _text(rules: Mapping[str, Any]) -> Reader:
    longest, pattern = rules.get("longest", LONGEST), rules.get("pattern")
    multiline = bool(rules.get("multiline"))

    def read(value: Any) -> Any:
        if type(value) is not str or len(value) > longest:
            raise Misfit
        if not value.isprintable() and (not multiline or "\x00" in value):
            raise Misfit
        if (pattern is not None and not pattern.fullmatch(value)) or half_characters(value):
            raise Misfit
        return value

    return read


def _truth(value: Any) -> Any:
    if type(value) is not bool:
        raise Misfit
    return value


def _number(kind: type, rules: Mapping[str, Any]) -> Reader:
    low, high = rules.get("minimum", -math.inf), rules.get("maximum", math.inf)
    is_float = kind is float

    def read(value: Any) -> Any:
        if type(value) is int:
            if not -(2**63) <= value < 2**63:
                raise Misfit
        elif not is_float or type(value) is not float or not math.isfinite(value):
            raise Misfit
        if not low <= value <= high:
            raise Misfit
        return float(value) if is_float else value

    return read


_READERS: dict[str, Callable[[Any, Mapping[str, Any]], Reader]] = {
    "plain": _plain,
    "sequence": _sequence,
    "mapping": _mapping,
    "message": _message,
    "choice": _choice,
    "anything": lambda _kind, _rules: lambda value: value,
}
