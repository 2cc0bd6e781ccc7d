"""Ranking: properties over any queues and every preset."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.presets import GENERIC, PRESETS, PRODUCTION, Preset
from broker.ranking import Broker, rank
from broker.values import Demand, Queue, Ranking, Rejection
from broker.view import View
from broker.weights.wait import Line
from tests.unit.broker.scene import a_queue, a_view
from tests.unit.broker.worlds import all_demands, all_queues, demands, queues, views

presets = st.sampled_from(list(PRESETS.values()))


def names(ranking: Ranking) -> set[str]:
    return {r.queue for r in ranking.ranked}


@given(all_demands, all_queues, views(), presets)
def test_each_queue_is_ranked_or_rejected_with_a_reason(
    demand: Demand, some: list[Queue], view: View, preset: Preset
) -> None:
    ranking = rank(demand, some, view, replace(preset, best=None))
    rejected = [r.queue for r in ranking.rejections]
    assert sorted([*names(ranking), *rejected]) == sorted(q.name for q in some)
    assert all(r.rule and r.reason for r in ranking.rejections)


@given(all_demands, all_queues, views(), presets)
def test_no_rejected_queue_is_chosen(
    demand: Demand, some: list[Queue], view: View, preset: Preset
) -> None:
    by_name = {queue.name: queue for queue in some}
    for ranked in rank(demand, some, view, preset).ranked:
        for rule in (*preset.filters, *preset.after):
            queue = by_name[ranked.queue]
            if rule.concerns(demand, view.thresholds) and rule.applies(queue):
                assert rule.refuse(demand, queue, view) is None


@given(all_demands, all_queues, views(), presets, st.integers(0, 10), st.integers(0, 3))
def test_asking_for_more_memory_never_widens_the_choice(
    demand: Demand, some: list[Queue], view: View, preset: Preset, more: int, more_per_core: int
) -> None:
    # Not among these: queues for large jobs only (min_memory_mb), for they are why one asks for
    # more. And without the preference for pilots: a queue that has none is taken where no other is.
    plain = replace(preset, best=None, prefers_pilots=False)
    bigger = replace(demand, memory_mb=demand.memory_mb + more,
                     memory_mb_per_core=demand.memory_mb_per_core + more_per_core)  # fmt: skip
    after, before = (names(rank(d, some, view, plain)) for d in (bigger, demand))
    assert after <= before


@given(demands, queues, presets, st.randoms())
def test_order_of_the_input_does_not_matter(
    demand: Demand, some: list[Queue], preset: Preset, random: Random
) -> None:
    mixed = list(some)
    random.shuffle(mixed)
    assert rank(demand, mixed, preset=preset) == rank(demand, some, preset=preset)


@given(demands, queues, presets)
def test_renaming_the_queues_changes_nothing_but_names(
    demand: Demand, some: list[Queue], preset: Preset
) -> None:
    plain = replace(demand, site=None, excluded_sites=frozenset())
    few = [queue for queue in some if "TEST" not in queue.name]
    renamed = [replace(queue, name=f"new_{queue.name}") for queue in few]
    before, after = rank(plain, few, preset=preset), rank(plain, renamed, preset=preset)
    assert [(f"new_{r.queue}", r.weight) for r in before.ranked] == [
        (r.queue, r.weight) for r in after.ranked
    ]
    assert [replace(r, queue=f"new_{r.queue}") for r in before.rejections] == list(after.rejections)


@given(demands, queues, presets)
def test_best_comes_first_and_no_more_than_the_preset_keeps(
    demand: Demand, some: list[Queue], preset: Preset
) -> None:
    weights = [r.weight for r in rank(demand, some, preset=preset).ranked]
    assert weights == sorted(weights, reverse=True)
    assert all(w > 0 for w in weights)
    assert preset.best is None or len(weights) <= preset.best


@given(queues, presets, st.lists(demands, max_size=5))
def test_broker_that_is_used_again_decides_the_same(
    some: list[Queue], preset: Preset, several: list[Demand]
) -> None:
    broker = Broker(some, View(), preset)
    assert [broker.rank(d) for d in several] == [rank(d, some, preset=preset) for d in several]


def test_callers_own_books_say_how_a_queue_stands() -> None:
    lines = {"A": Line(backlog=50, rate=0.01)}
    broker = Broker([a_queue("A"), a_queue("B")], lines=lines)
    assert [r.queue for r in broker.rank(Demand()).ranked] == ["B", "A"]
    lines["A"] = Line(backlog=-10, rate=1)
    lines["B"] = Line(backlog=3, rate=0.01)
    assert [r.queue for r in broker.rank(Demand()).ranked] == ["A", "B"]


def test_first_rule_that_refuses_is_named_with_its_numbers() -> None:
    queue = Queue(name="A", site="S", max_memory_mb=1000, core_count=1)
    assert rank(Demand(memory_mb=2000, core_count=2), [queue]) == Ranking(
        (), (Rejection("A", "core_count", "it offers 1 cores, 2 needed", 1, 2, "cores"),)
    )


def test_state_that_passes_is_told_from_an_offer_that_stays() -> None:
    some = [a_queue("A", status="paused"), a_queue("B", core_count=1)]
    found = rank(Demand(core_count=2), some).rejections
    assert [(r.queue, r.rule, r.passes) for r in found] == [
        ("A", "online", True),
        ("B", "core_count", False),
    ]


def test_queue_without_pilots_is_taken_only_where_no_queue_has_any() -> None:
    empty = a_queue("empty", last_pilot_seconds_ago=None)
    manned = a_queue("manned", n_activated=1000)
    both = rank(Demand(), [empty, manned])
    assert [r.queue for r in both.ranked] == ["manned"]
    assert [(r.queue, r.rule) for r in both.rejections] == [("empty", "no_pilot")]
    assert [r.queue for r in rank(Demand(), [empty]).ranked] == ["empty"]


def test_production_keeps_the_best_ten() -> None:
    some = [a_queue(f"Q{i:02}", n_running=i) for i in range(14)]
    ranking = rank(Demand(), some, preset=PRODUCTION)
    assert [r.queue for r in ranking.ranked] == [f"Q{i:02}" for i in range(13, 3, -1)]


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (lambda *_: 1 / 0, "its weight cannot be computed: division by zero"),
        (lambda *_: float("nan"), "its weight is nan"),
        (lambda *_: float("inf"), "its weight is inf"),
        (lambda *_: -1.0, "its weight is -1.0"),
    ],
)
def test_weight_that_is_no_number_leaves_the_queue_out_with_words(weight, reason: str) -> None:  # type: ignore[no-untyped-def]
    bad = replace(GENERIC, weight=weight, fills=False)
    ranking = rank(Demand(), [a_queue()], a_view(), bad)
    assert ranking.ranked == ()
    assert [(r.rule, r.reason) for r in ranking.rejections] == [("weight", reason)]


def test_without_queues_nothing_is_ranked() -> None:
    assert rank(Demand(), []) == Ranking((), ())
