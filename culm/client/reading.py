"""Answers of the server into messages.

`culm.wire.codec` checks what comes from strangers; an answer comes from our own server. Here its
types are looked at, so that the program does not fall over later, but no rule: the output of a
payload may hold anything, and a newer server may send members that this client does not know.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from culm.core.errors import OurFault

T = TypeVar("T")


def read(kind: type[T], value: Any) -> T:
    """The message of this kind in an answer; members that this client does not know are dropped.

    Raises:
        OurFault: something that the message needs is missing or of another type.
    """
    try:
        return cast(T, _value(kind, value, kind.__name__))
    except (TypeError, ValueError) as error:
        raise OurFault(
            f"the server's answer is no {kind.__name__} as this client knows it: {error}",
            hint="compare versions: culm --version here and on the server",
        ) from error


def _value(hint: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        return None if value is None else _value(inner[0], value, path)
    if is_dataclass(hint):
        return _message(cast(type, hint), _of(Mapping, value, path), path)
    return _several(origin, arguments, value, path) if origin else _single(hint, value, path)


def _several(origin: Any, arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    if origin is tuple:
        items = _of(list, value, path)
        return tuple(_value(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(items))
    members = _of(Mapping, value, path)
    return {str(k): _value(arguments[1], v, f"{path}.{k}") for k, v in members.items()}


def _single(hint: Any, value: Any, path: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if issubclass(hint, StrEnum):
        return _member(hint, value, path)
    return _of(hint, value, path)


def _member(kind: type[StrEnum], value: Any, path: str) -> StrEnum:
    try:
        return kind(_of(str, value, path))
    except ValueError as error:
        raise TypeError(
            f"{path} is {ascii(value)[:40]}, which this client does not know"
        ) from error


def _message(kind: type[Any], value: Mapping[str, Any], path: str) -> Any:
    found = {}
    for name, hint, required in _shape(cast(Hashable, kind)):
        if name in value:
            found[name] = _value(hint, value[name], f"{path}.{name}")
        elif required:
            raise TypeError(f"{path}.{name} is missing")
    return kind(**found)


@cache
def _shape(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (f.name, hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    )


def _of(kind: Any, value: Any, path: str) -> Any:
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise TypeError(f"{path} is {type(value).__name__}, {kind.__name__} is needed")
    return value
