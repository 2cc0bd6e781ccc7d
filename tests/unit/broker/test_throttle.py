"""Throttling by partition (spec/broker.md, Throttling)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.throttle import Backlog, Caps, refusal

CAPS = Caps(queued_per_running=2, floor_jobs=100, max_queued_jobs=10_000, max_queued_files=50_000)


@pytest.mark.parametrize(
    ("queued", "running", "files", "words"),
    [
        (0, 0, 0, ""),
        (100, 0, 0, ""),
        (101, 0, 0, "101 jobs are queued, over 2 x 0 running (and over 100)"),
        (200, 100, 0, ""),
        (201, 100, 0, "201 jobs are queued, over 2 x 100 running (and over 100)"),
        (10_000, 9_000, 50_000, ""),
        (10_001, 9_000, 0, "10001 jobs are queued, over the cap of 10000"),
        (10, 9_000, 50_001, "50001 files wait in queued jobs, over the cap of 50000"),
    ],
)
def test_enough_queued_stops_generation(queued: int, running: int, files: int, words: str) -> None:
    backlog = Backlog(n_queued=queued, n_running=running, n_queued_files=files)
    assert refusal(backlog, CAPS) == words


counts = st.integers(0, 20_000)


@given(counts, counts, counts, st.integers(0, 1000))
def test_more_running_never_throttles(queued: int, running: int, files: int, more: int) -> None:
    before = Backlog(n_queued=queued, n_running=running, n_queued_files=files)
    after = Backlog(n_queued=queued, n_running=running + more, n_queued_files=files)
    assert refusal(before, CAPS) or not refusal(after, CAPS)
