"""Queues and nodes that fail jobs fast are noticed; a task that fails is not their fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.black_holes import BlackHoles, Ended, black_holes

RULES = BlackHoles()


def ended(node: str, task_id: int = 1, queue_id: int = 1, **counts: int) -> Ended:
    """`fast` failures, `slow` failures and `good` jobs."""
    fast = counts.get("fast", 0)
    return Ended(
        queue_id=queue_id, node=node, task_id=task_id, n_fast_failures=fast,
        n_failures=fast + counts.get("slow", 0), n_finished=counts.get("good", 0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        ([ended("bad", fast=10), ended("good", good=90)], [(1, "bad")]),
        ([ended("bad", fast=9), ended("good", good=90)], []),
        ([ended("bad", fast=10, good=2), ended("good", good=90)], []),
        ([ended("bad", slow=30), ended("good", good=90)], []),
        # nobody else to compare with, or it fails there too: the task's fault
        ([ended("bad", fast=100)], []),
        ([ended("bad", fast=100), ended("other", fast=100)], []),
        # a task that fails everywhere says nothing of a node, for or against it
        ([ended("bad", fast=10), ended("good", good=90), ended("bad", 2, fast=50),
          ended("good", 2, fast=50)], [(1, "bad")]),
        # the whole queue, not each of its nodes
        ([ended("a", fast=10), ended("b", fast=10), ended("c", queue_id=2, good=50)], [(1, "")]),
        # few at each of many nodes
        ([*(ended(f"n{i}", fast=2) for i in range(9)), ended("c", queue_id=2, good=50)],
         [(1, "")]),
        ([], []),
    ],
)  # fmt: skip
def test_what_is_rested(rows: list[Ended], places: list[tuple[int, str]]) -> None:
    found = black_holes(rows, RULES)
    assert [(hole.queue_id, hole.node) for hole in found] == places
    assert all("failed within 60 s" in hole.reason for hole in found)


rows = st.lists(
    st.builds(
        ended, st.sampled_from("abc"), st.integers(1, 3), st.integers(1, 2),
        fast=st.integers(0, 30), slow=st.integers(0, 30), good=st.integers(0, 30),
    ),
    max_size=12,
)  # fmt: skip


@given(rows)
def test_never_every_place_that_runs_a_task(given_rows: list[Ended]) -> None:
    rested = {(hole.queue_id, hole.node) for hole in black_holes(given_rows, RULES)}
    for hole_queue, hole_node in rested:
        here = [r for r in given_rows if r.queue_id == hole_queue and hole_node in ("", r.node)]
        tasks = {r.task_id for r in here if r.n_fast_failures}
        elsewhere = [r for r in given_rows if r.task_id in tasks and r not in here]
        assert sum(r.n_jobs - r.n_failures for r in elsewhere) > 0
