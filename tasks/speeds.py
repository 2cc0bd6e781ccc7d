"""The speed of a link, as a mean over the last hour, day and week. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

WINDOWS = {
    "mb_per_second_last_hour": 3600.0,
    "mb_per_second_last_day": 86_400.0,
    "mb_per_second_last_week": 604_800.0,
}
"""What a link's row knows, and over how many seconds."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What went over a link: how much, and for how long jobs waited for it."""

    mb: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Moved) -> Moved:
        """Both together."""
        return Moved(self.mb + other.mb, self.seconds + other.seconds)

    @property
    def mb_per_second(self) -> float:
        """The speed that one job saw."""
        return self.mb / self.seconds


def blended(
    before: float | None, measured: float, age_seconds: float, window_seconds: float
) -> float:
    """A mean over a window, with a speed that was measured now.

    What was known before counts the less the older it is, whether measured or told: e⁻¹ when it is
    as old as the window is long. What comes from the future is of this moment, and stays.
    """
    if before is None:
        return measured
    kept = exp(-max(0.0, age_seconds) / window_seconds)
    return kept * before + (1 - kept) * measured
