"""Pilot streaming (spec/broker.md, Pilot streaming; panda-docs 8.3, Harvester)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.streaming import Queued, Streaming, Workers, new_workers

LIMITS = Streaming(new_per_running=0.5, min_new=10, max_new=100)


def waits(n_jobs: int, kind: str = "SCORE", share: str = "a", queue: str = "Q") -> Queued:
    return Queued(queue=queue, share=share, resource_type=kind, n_jobs=n_jobs)


@pytest.mark.parametrize(
    ("queued", "workers", "wanted"),
    [
        ([], {}, {}),
        ([waits(3)], {}, {("Q", "SCORE"): 3}),
        # a queue where little runs starts slowly, a big one grows by half
        ([waits(1000)], {}, {("Q", "SCORE"): 10}),
        ([waits(1000)], {"Q": Workers(n_busy=60)}, {("Q", "SCORE"): 30}),
        ([waits(1000)], {"Q": Workers(n_busy=6000)}, {("Q", "SCORE"): 100}),
        # what idles takes its kind first, and is new still
        ([waits(3)], {"Q": Workers(idle={"SCORE": 3})}, {}),
        ([waits(30)], {"Q": Workers(idle={"SCORE": 4})}, {("Q", "SCORE"): 6}),
        ([waits(30)], {"Q": Workers(idle={"MCORE": 4})}, {("Q", "SCORE"): 6}),
        # the share in greatest need has the room first, whatever the others have queued
        ([waits(500), waits(8, "MCORE", "b")], {}, {("Q", "MCORE"): 8, ("Q", "SCORE"): 2}),
        ([waits(5, share="gone"), waits(8, "MCORE")], {}, {("Q", "MCORE"): 8, ("Q", "SCORE"): 2}),
        # queues do not take each other's room
        ([waits(20), waits(20, queue="R")], {}, {("Q", "SCORE"): 10, ("R", "SCORE"): 10}),
    ],
)
def test_each_queue_gets_workers_of_the_kind_that_is_needed(
    queued: list[Queued], workers: dict[str, Workers], wanted: dict[tuple[str, str], int]
) -> None:
    assert new_workers(queued, ["b", "a"], workers, LIMITS) == wanted


some_queued = st.lists(
    st.builds(
        waits, st.integers(0, 200), st.sampled_from(["SCORE", "MCORE"]), st.sampled_from("abc"),
        st.sampled_from("QR"),
    ),
    max_size=12,
)  # fmt: skip


@given(some_queued, st.integers(0, 500), st.integers(0, 20))
def test_never_more_workers_than_jobs_or_room(queued: list[Queued], busy: int, idle: int) -> None:
    workers = {"Q": Workers(n_busy=busy, idle={"SCORE": idle})}
    wanted = new_workers(queued, ["b", "a"], workers, LIMITS)
    assert all(count > 0 for count in wanted.values())
    for (queue, kind), count in wanted.items():
        assert count <= sum(q.n_jobs for q in queued if (q.queue, q.resource_type) == (queue, kind))
    for queue in ("Q", "R"):
        assert sum(n for (q, _), n in wanted.items() if q == queue) <= LIMITS.max_new
