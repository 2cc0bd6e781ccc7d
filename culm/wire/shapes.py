"""What the type of a message's field means for its JSON value."""

from __future__ import annotations

import types
from dataclasses import is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin

LONGEST = 65_536
"""The most characters of a text whose field says nothing else."""


@cache
def shape_of(hint: Any) -> tuple[str, Any, bool]:
    """What a type is read as, the type inside, and whether None may stand for it."""
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        inner = [argument for argument in get_args(hint) if argument is not type(None)]
        hint, optional = inner[0], len(inner) < len(get_args(hint))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        found = ("sequence", arguments[0])
    elif origin is dict:
        found = ("mapping", arguments[1])
    elif hint is Any:
        found = ("anything", hint)
    elif issubclass(hint, StrEnum):
        found = ("choice", hint)
    else:
        found = ("message" if is_dataclass(hint) else "plain", hint)
    return (*found, optional)


def half_characters(value: str) -> bool:
    """Whether a text holds lone surrogates, which no encoding takes."""
    return not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)
