"""Why a task's jobs go nowhere, and what would help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.architecture import parse_architecture
from broker.connectivity import Connectivity
from broker.explain import Explanation, RuleCount, Verdict, count_by_rule, explain
from broker.presets import ANALYSIS, GENERIC, PRESETS, PRODUCTION, Preset
from broker.ranking import rank
from broker.software import GpuOffer, Release, Software
from broker.values import Demand, InputAt, Queue, Rejection
from tests.unit.broker.scene import a_demand, a_queue
from tests.unit.broker.worlds import all_demands, all_queues

presets = st.sampled_from(list(PRESETS.values()))


def told(demand: dict[str, Any], *queues: Queue, preset: Preset = GENERIC) -> Explanation:
    return explain(a_demand(**demand), queues, preset=preset)


def helps(found: Explanation) -> list[str]:
    return [str(change) for change in found.changes]


SMALL = a_queue("A", max_memory_mb=2000, max_disk_mb=5000, max_walltime_seconds=3600, core_count=4)


@pytest.mark.parametrize(
    ("demand", "queue", "preset", "change"),
    [
        ({"memory_mb": 3000}, SMALL, GENERIC, "ask for at most 2000 MB of memory"),
        ({"memory_mb": 3000}, replace(SMALL, max_disk_mb=None), PRODUCTION,
         "ask for at most 2222 MB of memory"),
        ({"memory_mb": 100}, a_queue("A", min_memory_mb=900), GENERIC,
         "ask for at least 900 MB of memory"),
        ({"core_count": 8}, SMALL, GENERIC, "ask for at most 4 cores"),
        ({"core_count": 1}, a_queue("A", min_core_count=8), GENERIC, "ask for at least 8 cores"),
        ({"disk_mb": 9000}, SMALL, GENERIC, "ask for at most 5000 MB of scratch disk"),
        ({"input_mb": 9000}, a_queue("A", max_disk_mb=5000), PRODUCTION,
         "make jobs smaller: at most 4499 MB of input and working directory"),
        ({"walltime_seconds": 7200}, SMALL, GENERIC, "ask for at most 3600 s of wall time"),
        ({"cpu_seconds_per_event": 90, "n_events": 1000, "base_seconds": 600}, SMALL, GENERIC,
         "make jobs smaller: at most 299 events"),
        ({"site": "B"}, SMALL, GENERIC, "do not ask for site B"),
        ({"excluded_sites": frozenset({"A", "B"})}, SMALL, GENERIC, "do not exclude A"),
        ({"container": "docker://a"},
         a_queue("A", software=Software(containers=("/images", "docker://b"))), GENERIC,
         "use another container than docker://a, one that starts with /images or docker://b"),
        ({"release": Release("Athena", "1", "atlas")}, a_queue("A", software=Software()), GENERIC,
         "use another release, or a container that has it"),
        ({"architecture": parse_architecture("&nvidia")}, a_queue("A", software=Software()),
         GENERIC, "ask for no special CPU or GPU"),
        ({"connectivity": Connectivity("full")}, a_queue("A", connectivity=Connectivity("http")),
         GENERIC, "need no more network than http"),
        ({"must_read_directly": True}, SMALL, GENERIC, "let input be copied to the job"),
        ({"may_move_input": False, "n_input_files": 1}, a_queue("A"), ANALYSIS,
         "let input be moved"),
        ({"nucleus": "B", "nucleus_only": True}, SMALL, GENERIC,
         "let it run outside of its nucleus"),
        ({"memory_mb": 3000, "core_count": 8}, SMALL, GENERIC,
         "ask for at most 4 cores and ask for at most 2000 MB of memory"),
    ],
)  # fmt: skip
def test_smallest_change_that_helps_is_named(
    demand: dict[str, Any], queue: Queue, preset: Preset, change: str
) -> None:
    found = told(demand, queue, preset=preset)
    assert found.verdict is Verdict.NEVER
    assert helps(found) == [f"{change}: then queue A would take it"]
    assert helps(found)[0] in found.summary


@pytest.mark.parametrize(
    ("demand", "queue"),
    [
        ({}, a_queue("A_TEST")),
        ({}, a_queue("A", fair_share_policy="type=evgen:100%")),
        ({}, a_queue("A", software=Software(gpu=GpuOffer(vendor=("nvidia", "excl"))))),
        ({"output_mb_per_event": 9000}, a_queue("A", max_disk_mb=5000)),
        ({"cpu_seconds_per_event": 9, "base_seconds": 9000}, SMALL),
    ],
)
def test_what_no_request_can_change_has_no_change(demand: dict[str, Any], queue: Queue) -> None:
    found = told(demand, queue, preset=PRODUCTION)
    assert (found.verdict, found.changes) == (Verdict.NEVER, ())
    assert found.summary == "none of the 1 queues can ever take it as it is"


@pytest.mark.parametrize(
    ("queue", "preset", "words"),
    [
        (a_queue("A", status="paused"), GENERIC, "it is paused"),
        (a_queue("A", blocked_storage="DISK"), GENERIC, "its storage DISK is blacklisted"),
        (a_queue("A", last_pilot_seconds_ago=None), PRODUCTION, "no pilot was heard from ever"),
        (a_queue("A", n_activated=99), PRODUCTION,
         "99 jobs ready to run there already, for what runs there 40 are enough"),
    ],
)  # fmt: skip
def test_state_that_passes_is_not_yet(queue: Queue, preset: Preset, words: str) -> None:
    found = told({}, queue, a_queue("TEST"), preset=preset)
    assert found.verdict is Verdict.NOT_YET
    assert [(r.queue, r.reason) for r in found.waits_for] == [("A", words)]
    assert found.summary == f"no queue takes it now, 1 of 2 may later (queue A: {words})"


def test_paused_queue_that_is_too_small_as_well_does_not_make_it_not_yet() -> None:
    found = told({"memory_mb": 3000}, replace(SMALL, status="paused"))
    assert found.verdict is Verdict.NEVER
    assert helps(found) == ["ask for at most 2000 MB of memory: then queue A would take it"]


def test_beside_waiting_a_change_that_helps_now_is_named() -> None:
    big = a_queue("B", max_memory_mb=9000, status="paused")
    found = told({"memory_mb": 3000}, SMALL, big)
    assert found.verdict is Verdict.NOT_YET
    assert helps(found) == ["ask for at most 2000 MB of memory: then queue A would take it"]


def test_least_change_comes_first_and_then_the_one_that_opens_the_most_queues() -> None:
    several = [a_queue(f"Q{i}", max_memory_mb=1000 * (1 + i % 4)) for i in range(12)]
    assert helps(told({"memory_mb": 9000}, *several)) == [
        "ask for at most 4000 MB of memory: then 3 queues would take it",
        "ask for at most 1000 MB of memory: then 12 queues would take it",
    ]


def test_demand_that_is_taken_needs_no_change() -> None:
    found = told({"memory_mb": 3000}, SMALL, a_queue("B"))
    assert (found.verdict, found.summary) == (Verdict.TAKEN, "1 of 2 queues take it")
    assert (found.changes, found.waits_for) == ((), ())
    assert [c.rule for c in found.counts] == ["memory"]


def test_without_queues_there_is_nothing_to_wait_for() -> None:
    assert told({}) == Explanation(Verdict.NEVER, "there is no queue", (), (), ())


def test_rejections_are_counted_by_rule_with_the_nearest_offer() -> None:
    far, near = (Rejection(q, "memory", "…", offer, 3000) for q, offer in (("A", 1), ("B", 2999)))
    paused = Rejection("C", "online", "it is paused", passes=True)
    assert count_by_rule([paused, far, near]) == (
        RuleCount("memory", 2, False, near),
        RuleCount("online", 1, True, paused),
    )


def test_input_that_is_elsewhere_is_no_matter_of_the_request() -> None:
    heavy = a_demand(
        io_intensity_kb_per_second=999, n_input_files=500,
        input_at={"BNL": InputAt(n_files=500)},
    )  # fmt: skip
    found = explain(heavy, [a_queue("A")], preset=PRODUCTION)
    assert found.changes == ()
    assert found.counts[0].example.reason.startswith("500 files of input are not there")


@given(all_demands, all_queues, presets)
def test_verdict_and_changes_are_true(demand: Demand, some: list[Queue], preset: Preset) -> None:
    found = explain(demand, some, preset=preset)
    taken = rank(demand, some, preset=preset).ranked
    assert (found.verdict is Verdict.TAKEN) == bool(taken)
    assert (found.verdict is Verdict.NOT_YET) == bool(found.waits_for)
    assert all(change.queues for change in found.changes)
    # Whatever states pass: with the change, every queue that it names takes the jobs in the end.
    lasting = replace(
        preset, filters=tuple(r for r in preset.filters if not r.passes), after=(), best=None,
        prefers_pilots=False,
    )  # fmt: skip
    for change in found.changes:
        able = {r.queue for r in rank(change.demand, some, preset=lasting).ranked}
        assert set(change.queues) <= able
    if found.verdict is Verdict.NEVER:
        assert not rank(demand, some, preset=lasting).ranked
