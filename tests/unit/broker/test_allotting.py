"""Allotting: how many jobs go where."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from broker.allotting import allot
from broker.ledger import Ledger
from broker.presets import GENERIC, PRESETS, Preset
from broker.ranking import Broker, rank
from broker.values import Demand, Lane, Queue, Ranked, Ranking
from broker.view import View
from broker.weights.wait import cost_seconds
from tests.unit.broker.scene import a_queue
from tests.unit.broker.worlds import demands, queues

presets = st.sampled_from(list(PRESETS.values()))
weights = st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=10)


@given(demands, queues, presets, st.integers(0, 500))
def test_numbers_add_up_and_a_rejected_queue_gets_nothing(
    demand: Demand, some: list[Queue], preset: Preset, n_jobs: int
) -> None:
    ranking = rank(demand, some, preset=preset)
    allotted = allot(n_jobs, ranking)
    assert sum(count for _, count in allotted) == (n_jobs if ranking.ranked else 0)
    assert [queue for queue, _ in allotted] == [r.queue for r in ranking.ranked]
    assert all(count >= 0 for _, count in allotted)


@given(weights, st.integers(0, 5000))
def test_without_lines_the_numbers_are_in_proportion(some: list[float], n_jobs: int) -> None:
    ranked = [Ranked(f"Q{i}", w) for i, w in enumerate(sorted(some, reverse=True))]
    allotted = allot(n_jobs, Ranking(tuple(ranked), ()))
    assert sum(count for _, count in allotted) == n_jobs
    for (_, count), r in zip(allotted, ranked, strict=True):
        assert abs(count - n_jobs * r.weight / sum(some)) <= 1 + 1e-6


def test_huge_weights_do_not_overflow() -> None:
    ranked = (Ranked("A", 1e308), Ranked("B", 1e308))
    assert allot(5, Ranking(ranked, ())) == [("A", 3), ("B", 2)]


def test_free_slots_fill_first_and_then_the_lines_grow_alike() -> None:
    # A: 2 slots free; B: none free, 10 before the next; both start one job in 100 s.
    ranked = (Ranked("A", 2.0, Lane(-2, 0.01, 0)), Ranked("B", 1.0, Lane(10, 0.01, 0)))
    ranking = Ranking(ranked, ())
    assert allot(2, ranking) == [("A", 2), ("B", 0)]
    assert allot(12, ranking) == [("A", 12), ("B", 0)]
    assert allot(14, ranking) == [("A", 13), ("B", 1)]


def test_job_that_would_wait_too_long_everywhere_is_held_back() -> None:
    ranked = (Ranked("A", 2.0, Lane(-2, 0.01, 0)), Ranked("B", 1.0, Lane(0, 0.02, 0)))
    allotted = allot(100, Ranking(ranked, ()), most_wait_seconds=200)
    assert allotted == [("A", 4), ("B", 4)]


@given(demands, queues, st.integers(0, 200), st.floats(0, 5000))
def test_no_job_is_allotted_beyond_the_longest_wait(
    demand: Demand, some: list[Queue], n_jobs: int, longest: float
) -> None:
    ranking = rank(demand, some)
    counts = dict(allot(n_jobs, ranking, longest))
    assert sum(counts.values()) <= n_jobs
    for r in ranking.ranked:
        assert r.lane is not None
        if counts[r.queue]:
            assert (r.lane.backlog + counts[r.queue]) / r.lane.rate <= longest + 1e-6


lanes = st.builds(Lane, st.integers(-5, 20), st.floats(0.001, 1), st.floats(0, 1000))


@given(st.lists(lanes, min_size=2, max_size=5), st.integers(1, 30), st.data())
def test_no_other_allotment_costs_less(some: list[Lane], n_jobs: int, data: st.DataObject) -> None:
    def cost(counts: list[int]) -> float:
        each = zip(some, counts, strict=True)
        return sum(cost_seconds(lane, before) for lane, n in each for before in range(n))

    ranked = tuple(Ranked(f"Q{i}", 1.0, lane) for i, lane in enumerate(some))
    best = [count for _, count in allot(n_jobs, Ranking(ranked, ()))]
    places = st.integers(0, len(some) - 1)
    other = Counter(data.draw(st.lists(places, min_size=n_jobs, max_size=n_jobs)))
    assert cost(best) <= cost([other[i] for i in range(len(some))]) + 1e-6


def test_view_that_is_old_does_not_send_every_job_to_one_place() -> None:
    """Ten tasks of ten jobs each are brokered one after another on the same view."""
    ledger = Ledger()
    some = [a_queue(f"Q{i}", n_running=20, mean_run_seconds=1000) for i in range(5)]
    broker = Broker(some, View(ledger=ledger, age_seconds=60), GENERIC)
    sent: Counter[str] = Counter()
    for moment in range(10):
        for queue, count in allot(10, broker.rank(Demand(walltime_seconds=1000))):
            ledger.note(queue, count, at_seconds=moment)
            sent[queue] += count
    assert set(sent.values()) == {20}


def test_ledger_forgets_what_a_newer_view_shows() -> None:
    ledger = Ledger()
    ledger.note("A", 3, at_seconds=10)
    ledger.note("B", 2, at_seconds=20)
    ledger.note("A", 0, at_seconds=25)
    ledger.note("A", 1, at_seconds=30)
    assert (ledger.assigned("A"), ledger.assigned("B"), ledger.assigned("C")) == (4, 2, 0)
    ledger.seen(20)
    assert (ledger.assigned("A"), ledger.assigned("B")) == (1, 2)
    ledger.seen(100)
    assert (ledger.assigned("A"), ledger.assigned("B")) == (0, 0)


@given(
    st.lists(
        st.tuples(st.integers(-50, 50), st.floats(1e-3, 10), st.integers(0, 40)),
        min_size=1, max_size=8,
    ),
    st.integers(0, 300),
)  # fmt: skip
def test_no_queue_gets_more_than_its_places_and_no_place_stays_free(
    some: list[tuple[int, float, int]], n_jobs: int
) -> None:
    ranked = tuple(Ranked(f"Q{i}", 1.0, Lane(b, r, 0.0)) for i, (b, r, _) in enumerate(some))
    places = {f"Q{i}": n for i, (_, _, n) in enumerate(some)}
    allotted = dict(allot(n_jobs, Ranking(ranked, ()), places=places))
    assert all(allotted[queue] <= n for queue, n in places.items())
    assert sum(allotted.values()) == min(n_jobs, sum(places.values()))
