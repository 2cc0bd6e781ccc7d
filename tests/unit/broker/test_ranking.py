"""Ranking and allotting: properties over any queues."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from broker.ranking import BEST, allot, rank
from broker.values import Demand, Queue, Ranked, Ranking, Rejection

limits = st.none() | st.integers(1, 8)
queues = st.lists(
    st.builds(
        Queue,
        name=st.sampled_from([f"Q{i}" for i in range(14)] + ["TEST_Q"]),
        site=st.sampled_from(["S1", "S2"]),
        status=st.sampled_from(["online", "online", "offline", "paused"]),
        core_count=limits,
        max_memory_mb=limits,
        n_waiting=st.integers(0, 50),
        n_running=st.integers(0, 50),
    ),
    unique_by=lambda q: q.name,
    max_size=14,
)
demands = st.builds(
    Demand,
    core_count=st.integers(1, 8),
    memory_mb=st.integers(0, 8),
    site=st.none() | st.sampled_from(["S1", "Q3"]),
    excluded_sites=st.frozensets(st.sampled_from(["S2", "Q1"])),
)


def names(ranking: Ranking) -> set[str]:
    return {r.queue for r in ranking.ranked}


@given(demands, queues)
def test_each_queue_is_ranked_or_rejected_with_a_reason(demand: Demand, some: list[Queue]) -> None:
    ranking = rank(demand, some)
    rejected = {r.queue for r in ranking.rejections}
    assert not names(ranking) & rejected
    assert names(ranking) | rejected <= {q.name for q in some}
    assert all(r.rule and r.reason for r in ranking.rejections)
    if len(some) <= BEST:
        assert names(ranking) | rejected == {q.name for q in some}


@given(demands, queues, st.integers(0, 10))
def test_asking_for_more_memory_never_widens_the_choice(
    demand: Demand, some: list[Queue], more: int
) -> None:
    few = some[:BEST]
    bigger = replace(demand, memory_mb=demand.memory_mb + more)
    assert names(rank(bigger, few)) <= names(rank(demand, few))


@given(demands, queues, st.randoms())
def test_order_of_the_input_does_not_matter(demand, some, random) -> None:  # type: ignore[no-untyped-def]
    mixed = list(some)
    random.shuffle(mixed)
    assert rank(demand, mixed) == rank(demand, some)


@given(demands, queues)
def test_best_comes_first(demand: Demand, some: list[Queue]) -> None:
    weights = [r.weight for r in rank(demand, some).ranked]
    assert weights == sorted(weights, reverse=True)
    assert all(w > 0 for w in weights)


@given(demands, queues, st.integers(0, 5000))
def test_allotment_adds_up_and_gives_nothing_to_a_rejected_queue(
    demand: Demand, some: list[Queue], n_jobs: int
) -> None:
    ranking = rank(demand, some)
    allotted = allot(n_jobs, ranking)
    assert sum(count for _, count in allotted) == (n_jobs if ranking.ranked else 0)
    assert {queue for queue, _ in allotted} == names(ranking)
    assert all(count >= 0 for _, count in allotted)
    total = sum(r.weight for r in ranking.ranked)
    for (_, count), ranked in zip(allotted, ranking.ranked, strict=True):
        assert abs(count - n_jobs * ranked.weight / total) <= 1


def test_first_rule_that_refuses_is_named_with_its_numbers() -> None:
    queue = Queue(name="A", site="S", max_memory_mb=1000, core_count=1)
    assert rank(Demand(memory_mb=2000, core_count=2), [queue]) == Ranking(
        (), (Rejection("A", "core_count", "it offers 1 cores, 2 needed"),)
    )


def test_empty_queue_weighs_less_than_a_busy_one_and_more_than_a_full_one() -> None:
    some = [
        Queue(name="empty", site="S"),
        Queue(name="busy", site="S", n_running=20),
        Queue(name="full", site="S", n_waiting=100),
    ]
    assert rank(Demand(), some).ranked == (
        Ranked("busy", 2.1), Ranked("empty", 0.1), Ranked("full", 1 / 110),
    )  # fmt: skip


def test_queue_without_pilots_is_taken_only_where_no_queue_has_any() -> None:
    empty = Queue(name="empty", site="s", has_pilots=False)
    manned = Queue(name="manned", site="s", n_waiting=1000)
    both = rank(Demand(), [empty, manned])
    assert [r.queue for r in both.ranked] == ["manned"]
    assert [(r.queue, r.rule) for r in both.rejections] == [("empty", "no_pilot")]
    assert [r.queue for r in rank(Demand(), [empty]).ranked] == ["empty"]
