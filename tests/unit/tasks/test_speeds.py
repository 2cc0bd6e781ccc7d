"""The speed of a link: means over windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.speeds import Moved, blended

SPEEDS = st.floats(0, 1e5)


def test_speed_is_that_of_all_that_moved() -> None:
    assert (Moved(1000, 10) + Moved(1000, 90)).mb_per_second == 20


@pytest.mark.parametrize(
    ("before", "age", "expected"),
    [
        pytest.param(None, 0, 10, id="nothing known"),
        pytest.param(90, 0, 90, id="known from now"),
        pytest.param(90, -1e9, 90, id="known from the future"),
        pytest.param(90, 3600 * 0.6931, 50, id="known for half"),
        pytest.param(90, 1e9, 10, id="long ago"),
    ],
)
def test_old_speed_counts_less(before: float | None, age: float, expected: float) -> None:
    assert blended(before, 10, age, 3600) == pytest.approx(expected, rel=1e-3)


@given(SPEEDS, SPEEDS, st.floats(-1e9, 1e9))
def test_mean_lies_between_both(before: float, measured: float, age: float) -> None:
    found = blended(before, measured, age, 3600)
    low, high = sorted((before, measured))
    assert low * (1 - 1e-9) <= found <= high * (1 + 1e-9)
