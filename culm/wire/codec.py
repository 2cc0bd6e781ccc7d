"""JSON values into message dataclasses and back, with every fault named at once.

Only what messages need: str, int, float, bool, None, StrEnum, tuples, string-keyed
dicts and dataclasses. A field's metadata may hold `minimum`, `maximum`, `pattern` (a compiled
regular expression for the whole string) and `rule` (the words for it).
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.readers import Misfit, message_reader
from culm.wire.shapes import LONGEST, half_characters, shape_of

T = TypeVar("T")
_MISSING = object()


def encode(message: Any) -> Any:
    """A message as plain JSON values; fields that hold None are left out."""
    kind: Any = type(message)
    names = _field_names(kind)
    if names is not None:
        pairs = [(name, getattr(message, name)) for name in names]
        # Most values are plain: what a call for each of them costs counts in a wide scatter.
        return {name: value if type(value) in _PLAIN else encode(value)
                for name, value in pairs if value is not None}  # fmt: skip
    if isinstance(message, Mapping):
        return {str(key): encode(value) for key, value in message.items()}
    if isinstance(message, (list, tuple)):
        return [encode(value) for value in message]
    return message


_PLAIN = frozenset({str, int, float, bool})


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else None


def decode(kind: type[T], value: Any, what: str = "request") -> T:
    """The message of this kind that a JSON value holds.

    Raises:
        InvalidRequest: with a fault for every field that is unknown, missing or wrong.
    """
    reader: Any = message_reader  # mypy takes no type variable for hashable
    try:
        return cast(T, reader(kind)(value))
    except Misfit:
        return decode_naming_faults(kind, value, what)


def decode_naming_faults(kind: type[T], value: Any, what: str = "request") -> T:
    """What `decode` gives, by the slow way that knows where it is; raises as `decode` does."""
    faults: list[FieldFault] = []
    message = _value(kind, value, "", faults, {})
    if faults:
        raise InvalidRequest(f"{what} has {_count(faults)}", faults=faults)
    return cast(T, message)


def decode_json(kind: type[T], body: bytes, what: str = "request") -> T:
    """Like `decode`, from the bytes of a JSON document.

    Raises:
        InvalidRequest: the bytes are not UTF-8 or not JSON, or as `decode` says.
    """
    return decode(kind, parse_json(body, what), what)


def parse_json(body: bytes, what: str = "request") -> Any:
    """The value of a JSON document; `NaN` and `Infinity` are refused as JSON's grammar does."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        shown = ascii(body[:40].decode("latin-1"))
        fault = FieldFault("body", shown, f"one JSON document in UTF-8 ({error})")
        raise InvalidRequest(f"{what} is not valid JSON", faults=[fault]) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _count(faults: list[FieldFault]) -> str:
    return "1 fault" if len(faults) == 1 else f"{len(faults)} faults"


@cache
def _shape(kind: type) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f, hints[f.name]) for f in fields(kind))


def _dataclass(kind: type, value: Any, path: str, faults: list[FieldFault]) -> Any:
    if not isinstance(value, Mapping):
        faults.append(FieldFault(path or "body", _show(value), "an object is needed"))
        return None
    shape = _shape(kind)
    known = {f.name for f, _ in shape}
    for name in value:
        if name not in known:
            faults.append(
                FieldFault(
                    _join(path, str(name)), _show(value[name]), unknown_name(str(name), known)
                )
            )
    before = len(faults)
    found = {}
    for field, hint in shape:
        raw = value.get(field.name, _MISSING)
        if raw is not _MISSING:
            found[field.name] = _value(hint, raw, _join(path, field.name), faults, field.metadata)
        elif field.default is MISSING and field.default_factory is MISSING:
            faults.append(FieldFault(_join(path, field.name), "missing", "is required"))
    return kind(**found) if len(faults) == before and not _unknown(value, known) else None


def _unknown(value: Mapping[str, Any], known: set[str]) -> bool:
    return any(name not in known for name in value)


def _value(
    hint: Any, value: Any, path: str, faults: list[FieldFault], rules: Mapping[str, Any]
) -> Any:
    shape, inner, optional = shape_of(hint)
    if value is None and optional:
        return None
    if shape == "plain":
        return _plain(inner, value, path, faults, rules)
    if shape == "sequence":
        return _sequence(inner, value, path, faults, rules)
    if shape == "mapping":
        return _mapping(inner, value, path, faults, rules)
    if shape == "message":
        return _dataclass(inner, value, path, faults)
    return _member(inner, value, path, faults) if shape == "choice" else value


def _member(kind: type[StrEnum], value: Any, path: str, faults: list[FieldFault]) -> Any:
    choices = tuple(member.value for member in kind)
    if not isinstance(value, str) or value not in choices:
        faults.append(FieldFault(path, _show(value), unknown_name(str(value), choices)))
        return None
    return kind(value)


def _sequence(
    item: Any, value: Any, path: str, faults: list[FieldFault], rules: Mapping[str, Any]
) -> Any:
    if not isinstance(value, (list, tuple)):
        faults.append(FieldFault(path, _show(value), "a list is needed"))
        return ()
    return tuple(_value(item, v, f"{path}[{i}]", faults, rules) for i, v in enumerate(value))


def _mapping(
    item: Any, value: Any, path: str, faults: list[FieldFault], rules: Mapping[str, Any]
) -> Any:
    if not isinstance(value, Mapping):
        faults.append(FieldFault(path, _show(value), "an object is needed"))
        return {}
    return {str(k): _value(item, v, f"{path}.{k}", faults, rules) for k, v in value.items()}


_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def _plain(
    kind: type, value: Any, path: str, faults: list[FieldFault], rules: Mapping[str, Any]
) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):  # too big: it stays what it is, and does not fit
            value = float(value)
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        faults.append(FieldFault(path, _show(value), f"{_WORDS[kind]} is needed"))
        return None
    fault = broken_rule(value, rules)
    if fault:
        faults.append(FieldFault(path, _show(value), fault))
    return value


def broken_rule(value: Any, rules: Mapping[str, Any]) -> str:
    """Words for the rule of a field's metadata that a value breaks; empty if it breaks none."""
    return _text_rule(value, rules) if isinstance(value, str) else _number_rule(value, rules)


def _number_rule(value: Any, rules: Mapping[str, Any]) -> str:
    low, high = rules.get("minimum"), rules.get("maximum")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"must be from {low} to {high}" if high is not None else f"must be at least {low}"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "must fit in 64 bits"
    return ""


def _text_rule(value: str, rules: Mapping[str, Any]) -> str:
    longest, pattern = rules.get("longest", LONGEST), rules.get("pattern")
    fault = ""
    if "\x00" in value or (not value.isprintable() and not rules.get("multiline")):
        fault = "must not hold control characters"
    elif len(value) > longest:
        fault = f"must be at most {longest} characters long"
    elif pattern is not None and not pattern.fullmatch(value):
        fault = str(rules["rule"])
    elif half_characters(value):
        fault = "must not hold halves of characters (lone surrogates)"
    return fault


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 100, 100


def _show(value: Any) -> str:
    # Values come from anybody: neither their depth nor their size may cost us anything.
    text = _SHORT.repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 80 else text[:77] + "..."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
