"""How values of rows are shown: times as text, patterns as conditions, pages as slices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement
from sqlmodel import Session

T = TypeVar("T")


def moment(value: datetime) -> str:
    """A time as ISO 8601 in UTC: `2026-11-21T07:00:00.000Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_or_none(value: datetime | None) -> str | None:
    """Like `moment`, for times that may not have come yet."""
    return None if value is None else moment(value)


def like(session: Session, column: Any, pattern: str) -> ColumnElement[bool]:
    """The condition that a column fits a shell pattern: `*` any characters, `?` one.

    Case counts on both databases (SQLite's LIKE would not mind it, its GLOB does).
    """
    if not any(char in pattern for char in "*?"):
        return column == pattern  # type: ignore[no-any-return]
    if session.get_bind().dialect.name == "sqlite":
        return column.op("GLOB")(pattern.replace("[", "[[]"))  # type: ignore[no-any-return]
    escaped = pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")  # type: ignore[no-any-return]


def page(rows: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """A page of rows that were read with one more than its limit, and its last row if more wait."""
    shown = rows[:limit]
    return shown, shown[-1] if len(rows) > limit else None
