"""Whether a JSON value is of a CWL type, and the type in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def fits(kind: Any, value: Any) -> bool:
    """Whether a value is of a type. A named type (of SchemaDefRequirement) takes any value."""
    if isinstance(kind, list):
        return any(fits(one, value) for one in kind)
    if isinstance(kind, Mapping):
        return _COMPOUND.get(str(kind.get("type")), _named)(kind, value)
    test = _SIMPLE.get(str(kind).rpartition("#")[2])
    return test is None or test(value)


def may_be_null(kind: Any) -> bool:
    """Whether there may be no value."""
    return fits(kind, None)


def in_words(kind: Any) -> str:
    """A type as people write it: `string or string[], or nothing`."""
    if isinstance(kind, list):
        inner = list(dict.fromkeys(in_words(one) for one in kind if one != "null"))
        return " or ".join(inner) + (", or nothing" if "null" in kind else "")
    if isinstance(kind, Mapping):
        if kind.get("type") == "array":
            items = in_words(kind.get("items")).removesuffix(", or nothing")
            return f"({items})[]" if " " in items else f"{items}[]"
        if kind.get("type") == "enum":
            symbols = (str(s).rpartition("#")[2].rpartition("/")[2] for s in kind["symbols"])
            return "one of " + ", ".join(symbols)
        return str(kind.get("name") or kind.get("type")).rpartition("#")[2]
    return str(kind).rpartition("#")[2]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_of_class(name: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and value.get("class") == name


def _named(kind: Mapping[str, Any], value: Any) -> bool:
    inner = kind.get("type")
    return fits(inner, value) if isinstance(inner, (list, Mapping)) or inner in _SIMPLE else True


def _array(kind: Mapping[str, Any], value: Any) -> bool:
    return isinstance(value, list) and all(fits(kind.get("items"), one) for one in value)


def _enum(kind: Mapping[str, Any], value: Any) -> bool:
    symbols = (str(symbol).rpartition("#")[2].rpartition("/")[2] for symbol in kind["symbols"])
    return isinstance(value, str) and value in symbols


def _record(kind: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    fields = kind.get("fields") or []
    return all(
        fits(f["type"], value.get(str(f["name"]).rpartition("#")[2].rpartition("/")[2]))
        for f in fields
    )


_SIMPLE: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": _is_int,
    "long": _is_int,
    "float": _is_number,
    "double": _is_number,
    "string": lambda value: isinstance(value, str),
    "Any": lambda value: value is not None,
    "File": _is_of_class("File"),
    "stdin": _is_of_class("File"),
    "Directory": _is_of_class("Directory"),
}
_COMPOUND: Mapping[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "array": _array,
    "enum": _enum,
    "record": _record,
}
