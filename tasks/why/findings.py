"""What the parts of an answer find, and how times and numbers are said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from culm.core.units import format_duration
from culm.wire.why import NucleusWhy, QueueWhy, RuleWhy

ENDED, RUNS, WAITS = "ended", "runs", "waits"
TAKEN, NOT_YET, NEVER = "taken", "not yet", "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An answer before it knows whom it is about."""

    verdict: str
    summary: str
    details: tuple[str, ...] = ()
    rules: tuple[RuleWhy, ...] = ()
    changes: tuple[str, ...] = ()
    queues: tuple[QueueWhy, ...] = ()
    nuclei: tuple[NucleusWhy, ...] = ()


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago, in words: `5m`; of the future, `0s`."""
    return "" if moment is None else seconds((now - moment).total_seconds())


def seconds(number: float) -> str:
    """So many seconds, in words."""
    return format_duration(max(0.0, number))


def many(number: int, noun: str, plural: str = "") -> str:
    """`1 job`, `7 jobs`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
