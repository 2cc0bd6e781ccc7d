"""Time, passed in: rules take `now` as an argument, shells take it from here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present as an aware datetime in UTC."""


def utc_now() -> datetime:
    """The present by this machine's clock, aware, in UTC. Leases use the database's instead."""
    return datetime.now(UTC)
