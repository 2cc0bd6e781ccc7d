"""The past as a workload: what was done is done again, in whatever world."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.shares import DEFAULT
from broker.simulation.past import PastJob, PastTask, past_of, workload_of_past
from culm.core.errors import InvalidRequest
from tests.unit.broker.simulated import HALVES, a_queue, a_world, run

ALICE = PastTask(user="alice", submitted_seconds=500.0, priority=900, priority_step=5,
                 input_mb=60.0, sites=("Q1", "TAPE"))  # fmt: skip
BOB = PastTask(user="bob", submitted_seconds=100.0, priority=20_000)
TASKS = {7: ALICE, 8: BOB}


def a_past_job(task: int = 7, **changes: Any) -> PastJob:
    fields = {"task": task, "queue": "Q1", "run_seconds": 100.0, "ended_seconds": 1000.0}
    return PastJob(**(fields | changes))


def test_work_is_what_a_core_of_speed_one_would_have_needed() -> None:
    jobs = [a_past_job(), a_past_job(queue="FAST"), a_past_job(queue="GONE", run_seconds=0.0)]
    past = past_of(jobs, TASKS, {"Q1": 1.0, "FAST": 2.5})
    assert list(past.work[7, DEFAULT, 1]) == [100.0, 250.0, 0.001]


def test_most_slots_are_those_in_use_at_once() -> None:
    jobs = [
        a_past_job(ended_seconds=100.0),
        a_past_job(ended_seconds=150.0, slots=4),
        a_past_job(ended_seconds=200.0, slots=2),  # begins when the first ends
        a_past_job(ended_seconds=900.0, slots=5),
        a_past_job(queue="Q2", ended_seconds=100.0),
    ]
    assert past_of(jobs, TASKS, {}).most_slots == {"Q1": 6, "Q2": 1}


def test_tasks_are_those_of_a_world_and_begin_with_the_first() -> None:
    jobs = [a_past_job(), a_past_job(), a_past_job(slots=2, share="a"), a_past_job(8)]
    world = a_world(a_queue(slots=2), storage_sites=("TAPE",), shares=HALVES)
    found = workload_of_past(past_of(jobs, TASKS, {}), world)
    assert found.notes == ()
    first, *others = found.workload.tasks
    assert (first.name, first.user, first.priority) == (f"8 {DEFAULT} 1", "bob", 10_000)
    assert (first.submitted_seconds, first.sites) == (0.0, ())
    parts = {(t.share, t.slots, len(t.work_seconds)) for t in others}
    assert parts == {("a", 2, 1), (DEFAULT, 1, 2)}
    # The input of all three jobs is 60 MB.
    assert {(t.submitted_seconds, t.input_mb, t.sites, t.priority_step) for t in others} == {
        (400.0, 20.0, ("Q1", "TAPE"), 5)
    }


def test_what_a_world_does_not_have_is_told() -> None:
    jobs = [a_past_job(share="old"), a_past_job(slots=9), a_past_job(slots=9)]
    found = workload_of_past(past_of(jobs, TASKS, {}), a_world(a_queue(slots=2)))
    [task] = found.workload.tasks
    assert (task.share, task.sites) == (DEFAULT, ("Q1",))
    assert found.notes == (
        "2 jobs left out: they are wider than 2 slots",
        f"1 jobs of shares that are not in this world count for {DEFAULT}",
    )


def test_past_that_no_queue_could_run_is_refused() -> None:
    past = past_of([a_past_job(slots=9)], TASKS, {})
    with pytest.raises(InvalidRequest) as error:
        workload_of_past(past, a_world())
    assert error.value.faults[0].value == "0 jobs"


def test_anonymous_work_names_nobody() -> None:
    past = past_of([a_past_job(), a_past_job(8), a_past_job(7, slots=2)], TASKS, {})
    found = workload_of_past(past, a_world(a_queue(slots=2)), anonymous=True)
    assert {(t.name, t.user) for t in found.workload.tasks} == {
        ("task-000001", "user-1"), ("task-000002", "user-2"), ("task-000003", "user-2"),
    }  # fmt: skip


PAST_JOBS = st.lists(
    st.builds(
        PastJob,
        task=st.sampled_from([7, 8]),
        queue=st.sampled_from(["Q1", "Q2"]),
        run_seconds=st.floats(1, 500),
        ended_seconds=st.floats(0, 10_000),
        share=st.sampled_from(["a", "b", DEFAULT]),
        slots=st.integers(1, 3),
    ),
    min_size=1,
    max_size=15,
)


@settings(deadline=None, max_examples=25)
@given(jobs=PAST_JOBS)
def test_renaming_users_and_tasks_changes_nothing(jobs: list[PastJob]) -> None:
    world = a_world(a_queue("Q1", slots=3), a_queue("Q2", slots=5), shares=HALVES,
                    storage_sites=("TAPE",))  # fmt: skip
    past = past_of(jobs, TASKS, {"Q1": 1.0, "Q2": 2.0})
    named, nameless = (
        workload_of_past(past, world, anonymous=anonymous).workload.tasks
        for anonymous in (False, True)
    )
    times = [
        sorted((j.work_seconds, j.started_at or 0.0) for j in run("culm", world, *tasks).jobs)
        for tasks in (named, nameless)
    ]
    assert times[0] == times[1]


@given(jobs=PAST_JOBS)
def test_no_work_is_lost(jobs: list[PastJob]) -> None:
    past = past_of(jobs, TASKS, {})
    world = a_world(a_queue("Q1", slots=3), shares=HALVES)
    assert workload_of_past(past, world).workload.n_jobs == len(jobs)
