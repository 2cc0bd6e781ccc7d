"""Whether a payload's memory grows as long as it runs: the slope of a line through its samples.

PanDA's pilot fits the same line (documentation, 7.3.2, analytics: the slope of PSS and
swap over time measures memory leaks).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

MOST_POINTS = 256
"""When there are as many, every second one goes: a payload of weeks takes no more room."""
FEWEST_POINTS = 8
_TAIL = 0.2
"""This part of the time at both ends does not count: a payload starts up, and cleans up."""

Point = tuple[float, float]


class MemoryTrend:
    """Takes samples of a payload's memory; gives the slope. Its size is bounded."""

    def __init__(self, least_seconds: float) -> None:
        """`least_seconds`: the slope of a shorter run tells of its start only."""
        self._least_seconds = least_seconds
        self._points: list[Point] = []
        self._stride = 1
        self._n_seen = 0

    def add(self, wall_seconds: float, memory_mb: float) -> None:
        """Take a sample; none of a payload that has no memory any more."""
        if memory_mb <= 0:
            return
        if self._n_seen % self._stride == 0:
            self._points.append((wall_seconds, memory_mb))
        self._n_seen += 1
        if len(self._points) >= MOST_POINTS:
            self._points = self._points[::2]
            self._stride *= 2

    @property
    def n_points(self) -> int:
        """How many samples are kept."""
        return len(self._points)

    @property
    def leak_kb_per_second(self) -> float | None:
        """The slope without both ends; None where the samples are too few, or the run short."""
        if not self._points or self._points[-1][0] - self._points[0][0] < self._least_seconds:
            return None
        middle = _without_tails(self._points)
        return 1000 * _slope(middle) if len(middle) >= FEWEST_POINTS else None


def _without_tails(points: Sequence[Point]) -> list[Point]:
    first, last = points[0][0], points[-1][0]
    tail = _TAIL * (last - first)
    return [point for point in points if first + tail <= point[0] <= last - tail]


def _slope(points: Sequence[Point]) -> float:
    """The slope of the line of least squares; there are points at two times at least."""
    mean_x, mean_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
