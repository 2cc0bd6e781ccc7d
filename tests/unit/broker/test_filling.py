"""The queue filler (panda-docs 21.1.3)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.filling import Fillable, Filling, pre_assign

LIMITS = {"managed": Filling(max_tasks=2, min_files_ready=10, min_files_remaining=20)}


def a_task(task_id: int = 1, **changes: Any) -> Fillable:
    values = {"priority": 1000, "activity": "managed", "resource_type": "SCORE",
              "n_files_ready": 10, "n_files_remaining": 20, "queues": frozenset("AB")}  # fmt: skip
    return Fillable(task_id=task_id, **(values | changes))


@pytest.mark.parametrize(
    ("tasks", "empty", "present", "chosen"),
    [
        ([a_task()], "A", {}, {1: "A"}),
        ([a_task(n_files_ready=9)], "A", {}, {}),
        ([a_task(n_files_remaining=19)], "A", {}, {}),
        ([a_task(queues=frozenset("B"))], "A", {}, {}),
        ([a_task()], "", {}, {}),
        # at most so many for each resource type
        ([a_task(n) for n in range(4)], "A", {}, {0: "A", 1: "A"}),
        ([a_task()], "A", {("A", "managed", "SCORE"): 2}, {}),
        ([a_task()], "A", {("A", "managed", "MCORE"): 2}, {1: "A"}),
        # the highest priority first, the queue with the fewest
        ([a_task(1), a_task(2), a_task(3, priority=1001)], "A", {}, {3: "A", 1: "A"}),
        ([a_task(1), a_task(2)], "AB", {("A", "managed", "SCORE"): 1}, {1: "B", 2: "A"}),
    ],
)
def test_empty_queue_gets_tasks_that_suit_it(
    tasks: list[Fillable], empty: str, present: dict[Any, int], chosen: dict[int, str]
) -> None:
    assert pre_assign(tasks, empty, LIMITS, present) == chosen


@given(st.lists(st.builds(
    a_task, st.integers(1, 100), priority=st.integers(900, 1100), n_files_ready=st.integers(0, 20),
    queues=st.frozensets(st.sampled_from("ABC"))), unique_by=lambda t: t.task_id))  # fmt: skip
def test_nothing_goes_where_it_cannot_run_and_no_queue_gets_too_much(tasks: list[Fillable]) -> None:
    chosen = pre_assign(tasks, "AB", LIMITS, {})
    by_id = {task.task_id: task for task in tasks}
    assert all(queue in by_id[i].queues and queue in "AB" for i, queue in chosen.items())
    assert max(Counter(chosen.values()).values(), default=0) <= 2
