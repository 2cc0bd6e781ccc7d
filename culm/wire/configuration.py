"""Thresholds as operators see and change them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdView:
    """A threshold: what holds now, its default, its words.

    A name that ends in `<…>` has a value for each word in that place. `vo` is the organisation
    for which the value was set, empty for all; `changed_by` and `changed_at` are missing where
    the default holds.
    """

    name: str
    app: str
    component: str
    value: Any
    default: Any
    type: str
    unit: str
    description: str
    vo: str = ""
    changed_by: str | None = None
    changed_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdList:
    """All thresholds."""

    thresholds: tuple[ThresholdView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdMove:
    """One change: a value that is missing is the default."""

    at: str
    user: str
    vo: str = ""
    old_value: str | None = None
    new_value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdHistory:
    """One threshold with who changed it and when, newest first."""

    threshold: ThresholdView
    changes: tuple[ThresholdMove, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChange:
    """The value that a threshold is to have, as text, for one organisation or for all."""

    value: str = field(metadata={"longest": 200})
    vo: str = field(default="", metadata={"longest": 63})
