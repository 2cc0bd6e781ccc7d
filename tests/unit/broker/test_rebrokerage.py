"""Rebrokerage: what waits in vain (documentation, FAQ) and crowds (12.1.3)."""

from __future__ import annotations

from typing import Any

import pytest

from broker.rebrokerage import Crowd, Move, ShareAt, Standing, Waiting, crowds, rebroker
from broker.thresholds import Thresholds, thresholds

HOUR = 3600


def a_job(**changes: Any) -> Waiting:
    return Waiting(**({"job_id": 7, "queue": "A", "waiting_seconds": 0.0} | changes))


LATE = {"waiting_seconds": 25 * HOUR}
FREE = {"waiting_seconds": 301, "free_at": "B"}


@pytest.mark.parametrize(
    ("job", "queue", "reason"),
    [
        ({"waiting_seconds": 24 * HOUR}, {}, ""),
        (LATE, {}, "it waits at queue A for 25 h"),
        (LATE | {"n_moves": 2}, {}, "it waits at queue A for 25 h"),
        (LATE | {"n_moves": 3}, {}, ""),
        (LATE | {"is_pinned": True}, {}, ""),
        (LATE, {"status": "paused"}, ""),
        (LATE, {"keeps_jobs": True}, ""),
        (LATE, {"status": "brokeroff"}, "it waits at queue A for 25 h"),
        ({}, {"status": "test", "status_seconds": 4 * HOUR}, "queue A is test for 4 h"),
        ({}, {"status": "offline", "status_seconds": 4 * HOUR}, "queue A is offline for 4 h"),
        ({}, {"status": "offline", "status_seconds": 3 * HOUR}, ""),
        ({}, {"status": "online", "status_seconds": 99 * HOUR}, ""),
        ({"n_moves": 3}, {"status": "offline", "status_seconds": 4 * HOUR}, ""),
        ({"waiting_seconds": 301}, {}, ""),
        (FREE | {"waiting_seconds": 300}, {}, ""),
        (FREE, {}, "it waits at queue A for 301 s, and queue B has a free slot"),
        (FREE | {"n_moves": 3}, {}, ""),
        (FREE | {"is_pinned": True}, {}, ""),
        (FREE, {"keeps_jobs": True}, ""),
    ],
)
def test_job_is_brokered_again(job: dict[str, Any], queue: dict[str, Any], reason: str) -> None:
    found = rebroker([a_job(**job)], {"A": Standing(**queue)}, Thresholds())
    assert found == ([Move(7, reason)] if reason else [])


def test_queue_that_vanished_gives_up_its_jobs() -> None:
    found = rebroker([a_job(n_moves=9, is_pinned=True)], {}, Thresholds())
    assert found == [Move(7, "queue A is no more")]


LIMITS = thresholds({"FAST_REBRO_THRESHOLD_NQUEUE_MC": 100})


def a_count(queue: str = "A", **changes: Any) -> ShareAt:
    counts = {"share": "MC", "n_queued": 301, "n_running": 100}
    return ShareAt(queue=queue, **(counts | changes))


@pytest.mark.parametrize(
    ("here", "elsewhere", "is_crowd"),
    [
        ({}, 0, True),
        # queued / running > 3
        ({"n_queued": 300}, 0, False),
        ({"n_queued": 101, "n_running": 0}, 0, True),
        # queued there / queued everywhere > 0.3
        ({"n_queued": 3001, "n_running": 10}, 7002, True),
        ({"n_queued": 3000, "n_running": 10}, 7000, False),
        # queued > the share's own threshold; none: never
        ({"n_queued": 100, "n_running": 0}, 0, False),
        ({"share": "Data"}, 0, False),
        # a queue that declares its slots
        ({"declares_slots": True}, 0, False),
    ],
)
def test_crowd(here: dict[str, Any], elsewhere: int, is_crowd: bool) -> None:
    counts = [a_count(**here), a_count("B", n_queued=elsewhere, n_running=10**6)]
    assert [c.queue for c in crowds(counts, LIMITS)] == (["A"] if is_crowd else [])


def test_crowd_is_told_with_its_numbers() -> None:
    words = "301 of the 351 queued jobs of share MC wait at queue A, where 100 run"
    counts = [a_count(), a_count("B", n_queued=50), a_count("A", share="Data", n_queued=9)]
    assert crowds(counts, LIMITS) == [Crowd("MC", "A", words)]
