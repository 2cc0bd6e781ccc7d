"""Moments as a grid's document says them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

NEEDED = "a moment with its zone, such as 2026-11-24T08:00:00Z"


def moment_of(text: str | None) -> datetime | None:
    """The moment that a text says; None if it says none or leaves the zone open."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)
