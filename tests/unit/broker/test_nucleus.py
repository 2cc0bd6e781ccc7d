"""Where a task's output is gathered: PanDA's production task brokerage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.nucleus import Gathering, Nucleus, expected_output_tb, nucleus_weight, rank_nuclei
from broker.thresholds import Thresholds, thresholds
from broker.values import InputAt

LIMITS = Thresholds()
HEAVY = {"io_intensity_kb_per_second": 201, "input_gb": 2000}


def a_nucleus(name: str = "BNL", **changes: Any) -> Nucleus:
    space = {"total_tb": 1000, "free_tb": 300, "expired_tb": 100}
    return Nucleus(**({"name": name} | space | changes))


def held(gb: float, n_files: int = 0, tape_gb: float = 0) -> dict[str, Any]:
    at = InputAt(size_mb=gb * 1000, n_files=n_files, on_tape_mb=tape_gb * 1000)
    return {"input_at": {"BNL": at}}


@pytest.mark.parametrize(
    ("task", "nucleus", "weight"),
    [
        # (free + expired) × min(cutoff, free) / (max(50, RW) × total)
        ({}, {}, 400 * 300 / (50 * 1000)),
        ({}, {"workload_core_days": 100}, 400 * 300 / (100 * 1000)),
        ({}, {"free_tb": 2000, "total_tb": 4000}, 2100 * 1000 / (50 * 4000)),
        # input on tape alone
        (held(0, tape_gb=5), {}, 0.001 * 400 * 300 / (50 * 1000)),
        (held(1, tape_gb=5), {}, 400 * 300 / (50 * 1000)),
        # IO-intensive: times the part of the input that is there
        (HEAVY | held(500), {}, 0.25 * 400 * 300 / (50 * 1000)),
        (HEAVY | {"io_intensity_kb_per_second": 200} | held(500), {}, 400 * 300 / (50 * 1000)),
        (HEAVY | held(9000), {}, 400 * 300 / (50 * 1000)),
        ({}, {"total_tb": 0}, 0),
        ({}, {"free_tb": -5}, 0),
    ],
)
def test_weight(task: dict[str, Any], nucleus: dict[str, Any], weight: float) -> None:
    found = nucleus_weight(Gathering(**task), a_nucleus(**nucleus), LIMITS)
    assert found == pytest.approx(weight)


@pytest.mark.parametrize(
    ("task", "nucleus", "rule", "words"),
    [
        ({"site": "RAL"}, {}, "pinned", "the task asks for RAL"),
        ({"excluded_sites": frozenset({"BNL"})}, {}, "excluded", "the task excludes BNL"),
        ({}, {"is_active": False}, "active", "it is not active"),
        ({}, {"is_down": True}, "downtime", "it is in a downtime"),
        ({}, {"has_storage": False}, "storage", "it has no storage"),
        ({}, {"sends_and_receives": False}, "wide_area", "its storage is closed to other sites"),
        ({}, {"n_files_coming": 10_001}, "backlog",
         "10001 files are on their way there, the limit is 10000"),
        # free + expired - 0.25 GB a core-day > 100 TB
        ({}, {"free_tb": 50, "expired_tb": 50}, "free_space",
         "it will have 100 TB left, more than 100 are kept"),
        ({}, {"free_tb": 110, "expired_tb": 0, "workload_core_days": 48_000}, "free_space",
         "it will have 98 TB left, more than 100 are kept"),
        # input: > 10 % of size beyond 1000 GB, of number beyond 100 files
        (HEAVY | held(200), {}, "local_input",
         "it holds 200 of 2000 GB of input, more than 200 needed"),
        ({"io_intensity_kb_per_second": 201, "n_input_files": 101} | held(0, 10), {},
         "local_input", "it holds 10 of 101 files of input, more than 10.1 needed"),
    ],
)  # fmt: skip
def test_nucleus_is_refused(
    task: dict[str, Any], nucleus: dict[str, Any], rule: str, words: str
) -> None:
    found = rank_nuclei(Gathering(**task), [a_nucleus(**nucleus)], LIMITS)
    assert found.ranked == ()
    assert [(r.rule, r.reason) for r in found.rejections] == [(rule, words)]


@pytest.mark.parametrize(
    "task",
    [
        HEAVY | held(201),
        HEAVY | held(0, tape_gb=201),
        HEAVY | {"is_prestaged": True} | held(1),
        {"input_gb": 1000, "n_input_files": 100},
        # no nucleus holds the input, but the task is light, or urgent
        {"input_gb": 10_000, "io_intensity_kb_per_second": 200},
        {"input_gb": 10_001, "priority": 800},
        {"n_files_coming": 1, "nucleus_only": True},
    ],
)
def test_nucleus_is_taken(task: dict[str, Any]) -> None:
    nucleus = a_nucleus(n_files_coming=10_001 if task.pop("n_files_coming", 0) else 0)
    found = rank_nuclei(Gathering(**task), [nucleus], LIMITS)
    assert [r.queue for r in found.ranked] == ["BNL"]


def test_light_task_goes_to_the_nucleus_that_holds_its_input_if_one_does() -> None:
    task = Gathering(input_gb=5000, **held(1000))
    found = rank_nuclei(task, [a_nucleus("RAL"), a_nucleus("BNL")], LIMITS)
    assert [r.queue for r in found.ranked] == ["BNL"]
    assert [(r.queue, r.rule) for r in found.rejections] == [("RAL", "local_input")]


def test_share_may_keep_another_space_free() -> None:
    limits = thresholds({"DISK_THRESHOLD_MC": 500})
    for share, taken in (("MC", False), ("Data", True)):
        found = rank_nuclei(Gathering(share=share), [a_nucleus()], limits)
        assert bool(found.ranked) is taken


def test_nucleus_without_weight_is_refused_with_words() -> None:
    found = rank_nuclei(Gathering(**HEAVY, is_prestaged=True), [a_nucleus()], LIMITS)
    assert [r.rule for r in found.rejections] == ["weight"]


def test_expected_output_grows_with_the_work() -> None:
    assert expected_output_tb(a_nucleus(workload_core_days=4000)) == pytest.approx(1)


nuclei = st.lists(
    st.builds(
        a_nucleus,
        name=st.sampled_from("ABCDE"),
        free_tb=st.floats(0, 2000),
        workload_core_days=st.floats(0, 1e6),
        is_down=st.booleans(),
        n_files_coming=st.integers(0, 20_000),
    ),
    unique_by=lambda n: n.name,
)


@given(nuclei, st.sampled_from([{}, HEAVY, held(9, 9)]))
def test_each_nucleus_is_ranked_or_refused(some: list[Nucleus], task: dict[str, Any]) -> None:
    found = rank_nuclei(Gathering(**task), some, LIMITS)
    every = [r.queue for r in found.ranked] + [r.queue for r in found.rejections]
    assert sorted(every) == sorted(n.name for n in some)
    weights = [r.weight for r in found.ranked]
    assert weights == sorted(weights, reverse=True)
    assert all(w > 0 for w in weights)
