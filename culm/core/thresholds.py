"""Thresholds that an operator may change at run time: fields of dataclasses with their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any


def threshold(
    default: Any,
    name: str,
    unit: str,
    description: str,
    *,
    minimum: float | None = 0,
    maximum: float | None = None,
) -> Any:
    """A dataclass field that is a threshold, under its documented name.

    A name may end in a placeholder (`SCOUT_SHORT_EXECTIME_<activity>`): it has a value for each.
    """
    return field(
        default=default,
        metadata={
            "name": name,
            "unit": unit,
            "description": description,
            "minimum": minimum,
            "maximum": maximum,
        },
    )


def choice(
    default: str, name: str, unit: str, description: str, choices: Callable[[], Iterable[str]]
) -> Any:
    """The same for one of some words: `choices` gives them when it is to be set."""
    chosen = threshold(default, name, unit, description, minimum=None)
    return field(default=default, metadata={**chosen.metadata, "choices": choices})
