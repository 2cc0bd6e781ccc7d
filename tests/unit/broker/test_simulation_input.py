"""What the simulator is given: worlds, workloads, logs, changes; and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from broker.simulation.changes import changed
from broker.simulation.policies import POLICIES, chosen
from broker.simulation.swf import read_swf
from broker.simulation.workload import workload_of
from broker.simulation.world import SimQueue, SimShare, world_of
from culm.core.errors import InvalidRequest
from tests.unit.broker.simulated import HALVES, a_queue, a_task, a_world, run

QUEUE = {"name": "Q1", "slots": 4}
TASK = {"name": "t", "submitted_seconds": 0, "work_seconds": [10]}


def faults(error: pytest.ExceptionInfo[InvalidRequest]) -> dict[str, str]:
    return {fault.field: fault.needed for fault in error.value.faults}


@pytest.mark.parametrize(
    ("document", "field", "needed"),
    [
        ({"queues": [QUEUE], "colour": "red"}, "colour", "unknown"),
        ({"queues": [{**QUEUE, "slot": 3}]}, "queues[0].slot", "did you mean slots"),
        ({"queues": [{**QUEUE, "slots": -1}]}, "queues[0].slots", "must be from 0"),
        ({"queues": [{**QUEUE, "core_speed": 0}]}, "queues[0].core_speed", "must be at least"),
        ({"queues": [{**QUEUE, "failure_rate": 1}]}, "queues[0].failure_rate", "from 0 to 0.99"),
        ({"queues": [QUEUE], "view_seconds": -1}, "view_seconds", "must be at least 0"),
        ({"queues": []}, "queues", "at least one slot"),
        ({"queues": [{**QUEUE, "slots": 0}]}, "queues", "at least one slot"),
        ({"queues": [QUEUE, QUEUE]}, "queues.Q1", "each queue once"),
        ({"queues": [QUEUE], "links": [
            {"source": "Q1", "destination": "Q9", "mb_per_second": 1}]},
         "links[0].destination", "a site of a queue"),
        ({"queues": [{**QUEUE, "downtimes": [{"start_seconds": 9, "end_seconds": 3}]}]},
         "queues.Q1.downtimes[0].end_seconds", "after its start"),
        ({"queues": [{**QUEUE, "downtimes": [{"start_seconds": 9}, {"start_seconds": 20}]}]},
         "queues.Q1.downtimes[1].start_seconds", "the end of the one before"),
        ({"queues": [QUEUE], "shares": [{"name": "a", "weight": 50},
                                        {"name": "default", "weight": 20}]},
         "weights at the top", "together 100"),
        ([], "body", "an object is needed"),
    ],
)  # fmt: skip
def test_world_that_makes_no_sense_is_refused_by_name(
    document: Any, field: str, needed: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        world_of(document)
    assert needed in faults(error)[field]


@pytest.mark.parametrize(
    ("task", "field", "needed"),
    [
        ({**TASK, "users": "x"}, "tasks[0].users", "did you mean user"),
        ({**TASK, "submitted_seconds": -1}, "tasks[0].submitted_seconds", "at least 0"),
        ({**TASK, "work_seconds": [0]}, "tasks[0].work_seconds[0]", "at least"),
        ({**TASK, "work_seconds": []}, "tasks", "from 1 to"),
        ({**TASK, "slots": 5}, "tasks.t.slots", "at most 4"),
        ({**TASK, "share": "nobody"}, "tasks.t.share", "known are default"),
        ({**TASK, "sites": ["Q9"]}, "tasks.t.sites", "known are Q1"),
    ],
)
def test_workload_that_does_not_fit_is_refused_by_name(
    task: dict[str, Any], field: str, needed: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        workload_of({"tasks": [task]}, world_of({"queues": [QUEUE]}))
    assert needed in faults(error)[field]


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequest) as error:
        workload_of({"tasks": [TASK, TASK]}, world_of({"queues": [QUEUE]}))
    assert faults(error) == {"tasks.t": "each name once"}


LOG = """\
; Version: 2.2
; MaxProcs: 8
;
1 100 5 60 2 -1 -1 2 90 -1 1 7 3 -1 1 -1 -1 -1
2 160 0 30 -1 -1 -1 1 -1 -1 1 8 4 -1 1 -1 -1 -1
3 170 0 -1 1 -1 -1 1 -1 -1 5 8 4 -1 1 -1 -1 -1
4 180 0 30 9 -1 -1 9 -1 -1 1 8 4 -1 1 -1 -1 -1
"""


def test_log_is_read_with_its_headers_and_what_is_not_known() -> None:
    shares = (SimShare(name="group3", weight=50), SimShare(name="default", weight=50))
    log = read_swf(LOG.splitlines(), a_world(a_queue(slots=4), shares=shares))
    first, second = log.workload.tasks
    assert log.headers == {"Version": "2.2", "MaxProcs": "8"}
    assert (first.submitted_seconds, first.work_seconds, first.slots) == (0, (60,), 2)
    assert (first.user, first.share, first.expected_seconds) == ("user7", "group3", 90)
    # No processors used are known, so those asked for count; no time was asked for.
    assert (second.submitted_seconds, second.slots, second.share) == (60, 1, "default")
    assert second.expected_seconds is None
    assert log.notes == ("2 of 4 jobs left out: they did not run, or are wider than 4 slots",)


def test_only_so_many_jobs_of_a_log_are_read() -> None:
    log = read_swf(LOG.splitlines(), a_world(a_queue(slots=4)), n_jobs=1)
    assert [task.name for task in log.workload.tasks] == ["line 4"]


@pytest.mark.parametrize(
    ("line", "needed"),
    [("1 2 3", "18 columns"), ("x " * 18, "numbers"), ("inf " * 18, "numbers")],
)
def test_line_that_is_not_of_the_format_is_named(line: str, needed: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_swf(["; a log", line], a_world())
    assert faults(error) == {"line 2": needed}


def test_changes_are_made_in_order() -> None:
    world = a_world(a_queue(), shares=HALVES)
    after = changed(world, ["queue.Q1.slots=7", "share.a=80", "world.view_seconds=60"])
    assert after.queues == (SimQueue(name="Q1", slots=7),)
    assert [(share.name, share.weight) for share in after.shares] == [
        ("a", 80), ("b", 20), ("default", 0)]  # fmt: skip
    assert after.view_seconds == 60
    assert world.queues[0].slots == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("queue.Q1.slots", "change not understood"),
        ("site.Q1=3", "change not understood"),
        ("queue.Q9.slots=3", "no such queue"),
        ("queue.slots=3", "no such queue"),
        ("queue.Q1.slots=many", "a whole number is needed"),
        ("queue.Q1.slots=-5", "must be from 0"),
        ("queue.Q1.slots=0", "at least one slot"),
        ("queue.Q1.slotz=5", "did you mean slots"),
        ("share.c=5", "no such share"),
        ("share.a=half", "a number"),
        ("share.a=101", "from 0 to 100"),
        ("world.age=3", "unknown"),
    ],
)
def test_change_that_cannot_be_made_is_refused_in_words(change: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        changed(a_world(a_queue(), shares=HALVES), [change])
    assert words in str(error.value)


def test_policies_are_chosen_by_name() -> None:
    assert chosen(["pull", "culm", "pull"]) == ("pull", "culm")
    assert chosen(["all"]) == tuple(POLICIES)
    with pytest.raises(InvalidRequest) as error:
        chosen(["pul"])
    assert faults(error) == {"policy": "unknown; did you mean pull?"}


@pytest.mark.parametrize("policy", POLICIES)
def test_task_without_input_divides_nothing_by_zero(policy: str) -> None:
    task = a_task("t", 10, input_mb=0, sites=("Q1",), expected_seconds=0.0)
    assert run(policy, a_world(), task).jobs[0].ended_at is not None
