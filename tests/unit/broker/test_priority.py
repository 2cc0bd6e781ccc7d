"""Priorities (panda-docs 4.1: How job priorities are calculated)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.priority import (
    CEILING,
    FRESH_USER,
    MERGE,
    PERIOD_SECONDS,
    aged,
    of_scout,
    of_user_job,
)

DAY = 86_400.0


@pytest.mark.parametrize(
    ("n_active", "number", "priority"),
    [
        # the documentation's example: a fresh user's 100 jobs
        (0, 0, 1000), (0, 4, 1000), (0, 5, 999), (0, 95, 981), (0, 99, 981),
        # and another's ten
        (0, 9, 999),
        (100, 0, 980), (1000, 10, 798),
    ],
)  # fmt: skip
def test_priority_falls_with_the_owners_active_jobs(
    n_active: int, number: int, priority: int
) -> None:
    assert of_user_job(FRESH_USER, n_active, number) == priority


def test_scouts_stand_above_their_task_and_merging_above_all() -> None:
    assert of_scout(1000) > of_user_job(1000, 0, 0)
    assert of_scout(1100) < MERGE


def test_job_that_waits_is_above_all_fresh_ones_before_its_deadline() -> None:
    priority, waited = -9000, 0.0
    while waited < 2 * DAY - PERIOD_SECONDS:
        before, waited = priority, waited + PERIOD_SECONDS
        priority = aged(priority, waited, 2 * DAY)
        assert priority > before or priority == CEILING
    assert priority == CEILING


priorities = st.integers(-100_000, 6000)


@given(priorities, priorities, st.floats(0, 10 * DAY))
def test_waiting_alike_keeps_the_order(one: int, other: int, waited: float) -> None:
    low, high = sorted((one, other))
    assert low <= aged(low, waited, 2 * DAY) <= max(high, CEILING)
    assert aged(low, waited, 2 * DAY) <= aged(high, waited, 2 * DAY)


@given(priorities, st.floats(0, 2 * DAY), st.floats(0, 2 * DAY))
def test_who_waited_longer_rises_at_least_as_much(priority: int, one: float, other: float) -> None:
    short, long = sorted((one, other))
    assert aged(priority, short, 2 * DAY) <= aged(priority, long, 2 * DAY)
