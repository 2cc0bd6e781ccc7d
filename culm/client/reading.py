"""Answers of the server into messages, with room for a server newer than this client."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from culm.core.errors import InvalidRequest, OurFault
from culm.wire.codec import decode

T = TypeVar("T")


def read(kind: type[T], value: Any) -> T:
    """The message of this kind in an answer; members that this client does not know are dropped.

    Raises:
        OurFault: something that the message needs is missing or of another type.
    """
    try:
        return decode(kind, _known(kind, value), "the server's answer")
    except InvalidRequest as error:
        raise OurFault(
            f"the server's answer is not a {kind.__name__} as this client knows it",
            faults=error.faults,
            hint="compare versions: culm --version here and on the server",
        ) from error


def _known(hint: Any, value: Any) -> Any:
    """The value without object members that no field of the message bears the name of."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        return _known(inner[0], value) if value is not None else None
    if origin is tuple and isinstance(value, list):
        return [_known(arguments[0], item) for item in value]
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, Mapping):
        hints = get_type_hints(hint)
        names = [f.name for f in fields(hint) if f.name in value]
        return {name: _known(hints[name], value[name]) for name in names}
    return value
