"""Answers of a newer server, cut down to what this pilot knows.

A pilot may be older than its server (reliability.md, fault 15): fields it does not know are left
out here, what it knows is checked as strictly as ever by `culm.wire.codec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints


def known_only(kind: Any, value: Any) -> Any:
    """The JSON value without the fields that the message `kind` does not have, at any depth."""
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        hints = _hints(kind)
        return {name: known_only(hints[name], value[name]) for name in value if name in hints}
    if get_origin(kind) is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        return [known_only(item, each) for each in value]
    inner = [part for part in get_args(kind) if is_dataclass(part)]
    if get_origin(kind) is not dict and inner:
        return known_only(inner[0], value)
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
