"""The simulator: small worlds with known answers, and what must hold in every world."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.simulation import engine
from broker.simulation.engine import Setting, simulate
from broker.simulation.generator import Sizes, make_workload, make_world
from broker.simulation.just_in_time import JustInTime
from broker.simulation.late import Pull
from broker.simulation.policies import POLICIES
from broker.simulation.results import figures
from broker.simulation.station import Station
from broker.simulation.workload import fitted
from broker.simulation.world import Downtime, SimLink
from tests.unit.broker.simulated import (
    HALVES,
    a_generated_setting,
    a_queue,
    a_task,
    a_world,
    run,
    starts,
)


def test_one_slot_serves_one_job_after_another() -> None:
    trace = run("pull", a_world(), a_task("t", 100, 50, 10))
    assert starts(trace) == {"t/0": 0, "t/1": 100, "t/2": 150}
    found = figures(trace)
    assert found.makespan_seconds == 160
    assert found.mean_wait_seconds == pytest.approx(250 / 3)
    assert found.bounded_slowdown == pytest.approx((1 + 150 / 50 + 160 / 10) / 3)


def test_core_twice_as_fast_halves_the_run() -> None:
    trace = run("pull", a_world(a_queue(core_speed=2.0)), a_task("t", 100, 100))
    assert starts(trace) == {"t/0": 0, "t/1": 50}


def test_input_of_another_site_is_waited_for_in_the_slot() -> None:
    link = SimLink(source="Q2", destination="Q1", mb_per_second=10)
    world = a_world(a_queue(), a_queue("Q2", slots=0), links=(link,))
    trace = run("pull", world, a_task("t", 100, 100, input_mb=300, sites=("Q2",)))
    assert starts(trace) == {"t/0": 0, "t/1": 130}
    assert figures(trace).remote_fraction == 1


def test_unknown_links_have_the_default_speed() -> None:
    world = a_world(a_queue(), a_queue("Q2", slots=0), default_mb_per_second=100)
    trace = run("pull", world, a_task("t", 100, 100, input_mb=300, sites=("Q2",)))
    assert starts(trace)["t/1"] == 103


def test_oracle_serves_short_jobs_first_where_they_end_first() -> None:
    world = a_world(a_queue("slow"), a_queue("fast", core_speed=4.0))
    trace = run("oracle", world, a_task("t", 400, 100))
    assert [job.ended_at for job in trace.jobs] == [400, 25]


def test_round_robin_goes_round() -> None:
    world = a_world(a_queue("Q1"), a_queue("Q2"), a_queue("Q3"))
    trace = run("round_robin", world, a_task("t", 10, 10, 10, 10))
    assert starts(trace) == {"t/0": 0, "t/1": 0, "t/2": 0, "t/3": 10}


def test_stale_view_sends_a_whole_task_to_one_queue() -> None:
    """The herd: nothing of what was just sent shows in the view."""
    world = a_world(a_queue("Q1"), a_queue("Q2"), view_seconds=300)
    tasks = a_task("t", 100, 100, 100, 100)
    assert list(starts(run("least_loaded", world, tasks)).values()) == [0, 100, 200, 300]
    assert list(starts(run("least_loaded_fresh", world, tasks)).values()) == [0, 0, 100, 100]


def test_culm_fills_all_slots_on_the_same_view() -> None:
    world = a_world(a_queue("Q1"), a_queue("Q2"), view_seconds=10_000)
    policy = JustInTime(cycle_seconds=0.0)
    trace = run(policy, world, a_task("t", 100, 100, 100, 100))
    assert list(starts(trace).values()) == [0, 0, 100, 100]


def test_culm_keeps_jobs_back_until_a_place_is_free() -> None:
    world = a_world(a_queue("Q1"), view_seconds=300)
    trace = run("culm", world, a_task("t", 1000, 1000), a_task("u", 10, submitted_seconds=500))
    # The short task came last, and was not behind a job that was bound before it.
    assert starts(trace)["u/0"] < starts(trace)["t/1"]  # type: ignore[operator]


def test_short_work_never_starves_long_work() -> None:
    """A long job waits ten times its own length at most, whatever short ones come."""
    short = [a_task(f"s{n:03}", 100, submitted_seconds=n * 90.0) for n in range(200)]
    trace = run("culm", a_world(), a_task("long", 500, submitted_seconds=1.0), *short)
    long = next(job for job in trace.jobs if job.task.name == "long")
    assert long.started_at is not None
    assert long.started_at < trace.jobs[-1].submitted_at


def test_share_below_its_due_goes_first() -> None:
    world = a_world(a_queue(slots=2), shares=HALVES)
    tasks = (
        a_task("a", 100, 100, 100, share="a"),
        a_task("b", 100, submitted_seconds=50, share="b"),
    )
    assert starts(run("pull", world, *tasks))["b/0"] == 100
    # Nobody's turn comes earlier by his share if shares do not count.
    later = a_task("b", 100, submitted_seconds=50, share="b")
    first = a_task("a", 100, 100, 100, 100, share="a")
    assert starts(run("pull", world, first, later, fifo=True))["b/0"] == 200


def test_priority_decides_inside_a_share() -> None:
    tasks = (a_task("low", 10, 10), a_task("high", 10, submitted_seconds=5, priority=2000))
    assert starts(run("pull", a_world(), *tasks)) == {"low/0": 0, "high/0": 10, "low/1": 20}


def test_narrow_jobs_pass_a_wide_one_that_finds_no_room() -> None:
    world = a_world(a_queue(slots=2))
    tasks = (a_task("first", 100), a_task("wide", 10, slots=2, submitted_seconds=1),
             a_task("narrow", 20, submitted_seconds=2))  # fmt: skip
    assert starts(run("pull", world, *tasks)) == {"first/0": 0, "wide/0": 100, "narrow/0": 2}


def test_queue_in_a_downtime_loses_what_runs_and_starts_it_again() -> None:
    down = Downtime(start_seconds=50, end_seconds=80)
    trace = run("pull", a_world(a_queue(downtimes=(down,))), a_task("t", 100))
    (job,) = trace.jobs
    assert (job.n_starts, job.n_tries, job.ended_at) == (2, 1, 180)


@pytest.mark.parametrize("policy", POLICIES)
def test_queue_that_vanishes_gives_its_jobs_back(policy: str) -> None:
    gone = a_queue("gone", slots=3, downtimes=(Downtime(start_seconds=50),))
    world = a_world(gone, a_queue("stays"), view_seconds=60)
    trace = run(policy, world, a_task("t", *[100.0] * 20))
    assert all(job.ended_at is not None and not job.is_failed for job in trace.jobs)
    assert [note for note in trace.notes if note.startswith("queue gone vanished at 50 s")]


@pytest.mark.parametrize("policy", POLICIES)
def test_jobs_that_nothing_will_run_are_told_of(policy: str) -> None:
    world = a_world(a_queue(downtimes=(Downtime(start_seconds=10),)))
    trace = run(policy, world, a_task("t", 100, 100))
    assert "2 jobs never ended: no queue runs them" in trace.notes
    assert figures(trace).n_not_ended == 2


def test_job_that_fails_each_time_uses_up_its_tries() -> None:
    world = a_world(a_queue(failure_rate=0.99), max_tries=3)
    trace = run("pull", world, a_task("t", *[10.0] * 50))
    assert {job.n_starts for job in trace.jobs if job.is_failed} == {3}
    assert figures(trace).n_failed == sum(job.is_failed for job in trace.jobs) > 40


def test_background_takes_slots_but_kills_nothing() -> None:
    trace = run("pull", a_world(a_queue(slots=10, background=0.5)), a_task("t", *[7200.0] * 40))
    assert all(job.n_starts == 1 for job in trace.jobs)
    assert figures(trace).makespan_seconds > 4 * 7200


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), fifo=st.booleans())
def test_every_job_ends_once_and_no_queue_runs_more_than_its_slots(
    policy: str, seed: int, fifo: bool
) -> None:
    most: Counter[str] = Counter()

    class Watched(Station):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "busy":
                most[self.spec.name] = max(most[self.spec.name], self.busy)

    setting = a_generated_setting(seed, fifo=fifo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "Station", Watched)
        trace = simulate(setting, POLICIES[policy]())
    assert len(trace.jobs) == setting.workload.n_jobs
    assert all(job.ended_at is not None for job in trace.jobs)
    assert all(job.n_starts >= job.n_tries >= 1 for job in trace.jobs)
    assert all(job.started_at >= job.submitted_at for job in trace.jobs)  # type: ignore[operator]
    assert all(most[queue.name] <= queue.slots for queue in setting.world.queues)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_renaming_users_changes_nothing(seed: int) -> None:
    setting = a_generated_setting(seed)
    renamed = [replace(task, user=task.user[::-1]) for task in setting.workload.tasks]
    other = replace(setting, workload=fitted(renamed, setting.world))
    assert starts(simulate(setting, JustInTime())) == starts(simulate(other, JustInTime()))


@pytest.mark.parametrize("policy", POLICIES)
def test_same_seed_gives_the_same_run(policy: str) -> None:
    setting = a_generated_setting(7)
    first, second = (simulate(setting, POLICIES[policy]()) for _ in range(2))
    assert starts(first) == starts(second)
    assert figures(first) == figures(second)


def test_decisions_are_timed_by_the_timer_that_is_given() -> None:
    ticks = iter(range(1_000_000))
    world = a_world()
    setting = Setting(world=world, workload=fitted([a_task("t", 10, 10)], world))
    found = figures(simulate(setting, Pull(), lambda: float(next(ticks))))
    assert found.decision_microseconds > 0
    assert figures(simulate(setting, Pull())).decision_microseconds == 0


def test_generated_workload_has_the_load_and_the_jobs_asked_for() -> None:
    chance = Random(3)
    world = make_world(chance)
    workload = make_workload(chance, world, Sizes(n_jobs=5000, load=0.7))
    period = workload.tasks[-1].submitted_seconds - workload.tasks[0].submitted_seconds
    assert workload.n_jobs == 5000
    assert workload.work / (world.power * period) == pytest.approx(0.7, rel=0.05)
    sizes = sorted(len(task.work_seconds) for task in workload.tasks)
    assert sum(sizes[-len(sizes) // 10 :]) > 5000 / 3  # a tenth of the tasks, a third of the jobs
