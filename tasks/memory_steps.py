"""The sizes of memory that jobs ask for: few, so that what fits one job fits many. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import ceil

STEPS_MB = (250, 500, 1000, 2000, 3000, 4000, 6000, 8000)
"""MB a core. Over the last, each further step is half of it."""
_LAST = STEPS_MB[-1]


def step_up(mb_per_core: float) -> int:
    """The smallest step that is not below so much."""
    place = bisect_left(STEPS_MB, mb_per_core)
    return STEPS_MB[place] if place < len(STEPS_MB) else _beyond(mb_per_core)


def next_step(mb_per_core: float) -> int:
    """The smallest step that is above so much."""
    place = bisect_right(STEPS_MB, mb_per_core)
    return STEPS_MB[place] if place < len(STEPS_MB) else _beyond(mb_per_core + 1)


def _beyond(mb_per_core: float) -> int:
    half = _LAST // 2
    return ceil(mb_per_core / half) * half
