"""Resource types (panda-docs 5.5.4; spec/broker.md, Resources)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.resource_types import UNDEFINED, USUAL, ResourceType, resource_type_of


@pytest.mark.parametrize(
    ("core_count", "memory_mb", "name"),
    [
        (1, 2000, "SCORE"),
        (1, 2001, "SCORE_HIMEM"),
        (8, 16_000, "MCORE"),
        (8, 16_001, "MCORE_HIMEM"),
        (2, 1, "MCORE"),
    ],
)
def test_job_is_of_the_type_that_its_need_fits(core_count: int, memory_mb: int, name: str) -> None:
    assert resource_type_of(USUAL, core_count, memory_mb) == name


@given(st.integers(1, 4096), st.integers(1, 16_000_000))
def test_usual_types_leave_nothing_undefined(core_count: int, memory_mb: int) -> None:
    assert [t.fits(core_count, memory_mb) for t in USUAL].count(True) == 1


def test_type_that_asks_for_most_wins_and_the_rest_is_undefined() -> None:
    types = [ResourceType(name="any"), ResourceType(name="big", min_cores=16)]
    assert resource_type_of(types, 16, 1) == "big"
    assert resource_type_of(types, 15, 1) == "any"
    assert resource_type_of(types[1:], 15, 1) == UNDEFINED
