"""The slope of a payload's memory: what counts of its samples, and how few are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.memory_trend import MOST_POINTS, MemoryTrend

MINUTES = [10.0 * n for n in range(61)]


def slope(samples: list[tuple[float, float]], least_seconds: float = 300) -> float | None:
    trend = MemoryTrend(least_seconds)
    for seconds, mb in samples:
        trend.add(seconds, mb)
    return trend.leak_kb_per_second


def grows_then_rests(seconds: float) -> float:
    return min(seconds * 10, 1000)


@pytest.mark.parametrize(("samples", "kb_per_second"), [
    pytest.param([(t, 100 + t) for t in MINUTES], 1000, id="a megabyte a second"),
    pytest.param([(t, 100.0) for t in MINUTES], 0, id="no growth"),
    pytest.param([(t, 900 - t / 2) for t in MINUTES], -500, id="shrinks"),
    pytest.param([(t, grows_then_rests(t)) for t in MINUTES], 0, id="the start does not count"),
    pytest.param([(t, 500.0 if t < 500 else 5.0) for t in MINUTES], 0, id="nor does the end"),
    pytest.param([*((t, 500.0) for t in MINUTES), (601, 0.0)], 0, id="nor what has ended"),
    pytest.param([(t, 100 + t) for t in MINUTES if t < 300], None, id="too short"),
    pytest.param([(t, 100 + t) for t in MINUTES[::6]], None, id="too few samples"),
    pytest.param([], None, id="no sample"),
])  # fmt: skip
def test_slope_is_that_of_the_middle_of_the_run(samples, kb_per_second):
    assert slope(samples) == (None if kb_per_second is None else pytest.approx(kb_per_second))


@given(slope_mb=st.floats(-5, 5), n=st.integers(60, 5000), step=st.floats(0.5, 60))
def test_a_straight_line_gives_its_slope_whatever_was_thinned_out(slope_mb, n, step):
    samples = [(i * step, 1e6 + i * step * slope_mb) for i in range(n)]
    assert slope(samples, least_seconds=0) == pytest.approx(slope_mb * 1000, abs=0.5)


@given(n=st.integers(0, 5000))
def test_samples_kept_are_bounded(n):
    trend = MemoryTrend(0)
    for i in range(n):
        trend.add(float(i), 1.0)
    assert trend.n_points < MOST_POINTS
