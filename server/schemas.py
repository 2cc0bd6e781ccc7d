"""JSON schemas of messages, made by the codec's own rules: the documentation says what it does."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from culm.core.errors import CulmError, FieldFault

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"
PROBLEM = "Problem"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def reference(kind: type) -> Schema:
    """The schema that points at a message's own."""
    return {"$ref": PREFIX + kind.__name__}


def components(kinds: Iterable[type]) -> dict[str, Schema]:
    """The schemas of these messages and of all that they hold, by name."""
    found: dict[str, Schema] = {PROBLEM: _problem()}
    todo = [*kinds, FieldFault]
    while todo:
        kind = todo.pop()
        if kind.__name__ not in found:
            found[kind.__name__] = _message(kind) if is_dataclass(kind) else _choices(kind)
            todo.extend(_inside(kind))
    return dict(sorted(found.items()))


def _message(kind: Any) -> Schema:
    hints = get_type_hints(kind)
    properties = {f.name: _property(f, hints[f.name]) for f in fields(kind)}
    needed = [f.name for f in fields(kind) if not _has_default(f)]
    schema: Schema = {
        "type": "object",
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "properties": properties,
        "additionalProperties": False,
    }
    return {**schema, "required": needed} if needed else schema


def _choices(kind: type) -> Schema:
    members = [str(member.value) for member in kind]  # type: ignore[attr-defined]
    return {"type": "string", "enum": members, "description": inspect.cleandoc(kind.__doc__ or "")}


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _property(field: Field[Any], hint: Any) -> Schema:
    schema = _schema(hint, field.metadata)
    if field.default is not MISSING and field.default is not None and "$ref" not in schema:
        schema["default"] = list(field.default) if field.default == () else field.default
    return schema


def _schema(hint: Any, rules: Mapping[str, Any]) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = next(a for a in arguments if a is not type(None))
        return {"anyOf": [_schema(inner, rules), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], rules)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], rules)}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, StrEnum)):
        return reference(hint)
    return {} if hint is Any else {"type": _PLAIN[hint], **_rules(rules)}


def _rules(rules: Mapping[str, Any]) -> Schema:
    found: Schema = {}
    for ours, theirs in (("minimum", "minimum"), ("maximum", "maximum"), ("longest", "maxLength")):
        if rules.get(ours) is not None:
            found[theirs] = rules[ours]
    if rules.get("pattern") is not None:
        found |= {"pattern": f"^(?:{rules['pattern'].pattern})$", "description": rules["rule"]}
    return found


def _inside(kind: Any) -> Iterable[type]:
    if not is_dataclass(kind):
        return
    todo = list(get_type_hints(kind).values())
    while todo:
        hint = todo.pop()
        if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, StrEnum)):
            yield hint
        todo.extend(get_args(hint))


def _problem() -> Schema:
    text, number = {"type": "string"}, {"type": "integer"}
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457). `code` is stable; `errors` names every fault.",
        "properties": {
            "type": text,
            "title": text,
            "status": number,
            "code": text,
            "detail": text,
            "hint": text,
            "errors": {"type": "array", "items": reference(FieldFault)},
        },
        "required": ["type", "title", "status", "code", "detail"],
        "example": CulmError("what, where, why").as_problem(),
    }
