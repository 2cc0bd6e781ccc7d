"""The timeouts of spec/lifecycle.md and of the documentation, 12.1.3."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.statuses import JobStatus as J
from tasks.thresholds import Timeouts
from tasks.timeouts import Quiet, Remedy, due, shortest_seconds

LIMITS = Timeouts()
HOUR, DAY = 3600.0, 86_400.0
BACK, FAIL = Remedy.REBROKER, Remedy.FAIL


@pytest.mark.parametrize(
    ("status", "facts", "limit", "remedy"),
    [
        (J.PENDING, {}, HOUR, BACK),
        (J.DEFINED, {}, 4 * HOUR, BACK),
        (J.ASSIGNED, {}, 12 * HOUR, BACK),
        (J.ACTIVATED, {"priority": 799}, 2 * DAY, BACK),
        (J.ACTIVATED, {"priority": 800, "queue_silent_seconds": 0}, 2 * DAY, BACK),
        (J.ACTIVATED, {"priority": 800, "queue_silent_seconds": 2 * HOUR}, 4 * HOUR, BACK),
        (J.ACTIVATED, {"priority": 800}, 4 * HOUR, BACK),
        (J.SENT, {}, 1800, BACK),
        (J.STARTING, {}, 2 * HOUR, FAIL),
        (J.RUNNING, {}, 2 * HOUR, FAIL),
        (J.HOLDING, {"priority": 800}, 3 * HOUR, FAIL),
        (J.HOLDING, {"priority": 799}, 3 * DAY, FAIL),
        (J.TRANSFERRING, {"priority": 800}, DAY, FAIL),
        (J.TRANSFERRING, {"priority": 799}, 2 * DAY, FAIL),
    ],
)
def test_each_row_of_the_table(
    status: J, facts: dict[str, Any], limit: float, remedy: Remedy
) -> None:
    assert due(Quiet(status=status, seconds=limit - 1, **facts), LIMITS) is None
    found = due(Quiet(status=status, seconds=limit, **facts), LIMITS)
    assert found is not None
    assert found.remedy == remedy
    assert str(status) in found.reason


def test_job_that_reports_may_not_run_for_ever() -> None:
    job = Quiet(status=J.RUNNING, seconds=10, running_seconds=21 * DAY)
    assert due(job, LIMITS) is not None
    assert "ran for too long" in str(due(job, LIMITS))


long_jobs = st.builds(
    Quiet, status=st.sampled_from(J), priority=st.integers(0, 2000),
    seconds=st.floats(0, 100 * DAY), running_seconds=st.floats(0, 100 * DAY),
    queue_silent_seconds=st.none() | st.floats(0, DAY),
)  # fmt: skip


@given(long_jobs, st.sampled_from(["queue_is_paused", "reassign_is_disabled"]))
def test_none_applies_where_the_queue_is_exempt(job: Quiet, why: str) -> None:
    from dataclasses import replace

    assert due(replace(job, **{why: True}), LIMITS) is None  # type: ignore[arg-type]


@given(long_jobs)
def test_nothing_is_due_before_the_shortest_time(job: Quiet) -> None:
    shortest = shortest_seconds(job.status, LIMITS)
    if shortest is None or max(job.seconds, job.running_seconds) < shortest:
        assert due(job, LIMITS) is None


@pytest.mark.parametrize("status", [J.FINISHED, J.FAILED, J.CLOSED, J.CANCELLED])
def test_ended_jobs_are_left_alone(status: J) -> None:
    assert due(Quiet(status=status, seconds=1e9, running_seconds=1e9), LIMITS) is None
