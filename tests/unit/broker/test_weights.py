"""Weights, by hand: PanDA documentation 12.1 (step 3), 12.1.2, and the FAQ on sites."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger import Ledger
from broker.thresholds import Thresholds
from broker.values import InputAt, Link, Load
from broker.weights.network import network_weight, queued_weight, throughput_weight
from broker.weights.occupancy import running
from broker.weights.panda import (
    analysis_data_factor,
    analysis_weight,
    data_availability,
    many_assigned,
    production_weight,
)
from broker.weights.wait import cost_seconds, expected_wait_weight, lane, line, transfer_seconds
from tests.unit.broker.scene import a_demand, a_queue, a_view
from tests.unit.broker.worlds import demands, loads

WEIGHTS = (production_weight, analysis_weight, expected_wait_weight)


@pytest.mark.parametrize(
    ("load", "counted"),
    [
        (Load(n_running=30), 30),
        (Load(n_running=3, n_batch_jobs=7), 7),
        (Load(n_running=3, n_batch_jobs=70), 20),
        (Load(n_running=20, n_batch_jobs=70), 20),
        (Load(n_running=30, n_batch_jobs=7), 30),
        (Load(n_running=30, n_slots=50), 50),
        (Load(n_running=30, n_slots=10), 30),
        (Load(n_running=3, n_slots=0, n_starting=40), 40),
        (Load(n_running=3, n_slots=None, n_starting=40), 3),
        (Load(), 0),
    ],
)
def test_number_that_counts_as_running(load: Load, counted: int) -> None:
    assert running(load) == counted


@pytest.mark.parametrize(
    ("assigned", "activated", "many"),
    [(0, 0, 1), (5, 0, 2), (5, 10, 1), (15, 10, 1.5), (50, 10, 2), (0, 10, 1)],
)
def test_many_assigned(assigned: int, activated: int, many: float) -> None:
    assert many_assigned(assigned, activated) == many


INPUT = {"total_input_mb": 1000, "n_input_files": 100}


@pytest.mark.parametrize(
    ("demand", "factor"),
    [
        ({}, 1.0),
        (INPUT, 1000 / (1000 * 2)),
        (INPUT | {"input_at": {"CERN-T0": InputAt(size_mb=1000, n_files=100)}}, 2.0),
        (INPUT | {"input_at": {"CERN-T0": InputAt(size_mb=500, n_files=50)}}, 1.5 / 1.5),
        (INPUT | {"input_at": {"BNL": InputAt(size_mb=1000, n_files=100)}}, 0.5),
        ({"n_input_files": 100}, 0.5),
        # more than there is: the catalogue counts what the task does not read
        (INPUT | {"input_at": {"CERN-T0": InputAt(size_mb=9000, n_files=900)}}, 2.0),
    ],
)
def test_data_availability(demand: dict[str, Any], factor: float) -> None:
    assert data_availability(a_demand(**demand), a_queue()) == pytest.approx(factor)


def test_production_weight_is_the_product_of_its_parts() -> None:
    queue = a_queue(n_running=99, n_activated=10, n_assigned=15, n_starting=3, n_defined=2)
    demand = a_demand(nucleus="BNL", **INPUT)
    view = a_view(links={("CERN-T0", "BNL"): Link(closeness=0)})
    # (99 + 1) / ((10 + 15 + 3 + 2 + 10) × 1.5) × 0.5 × 0.5 × (2 + 2)
    expected = 100 / (40 * 1.5) * 0.5 * 2
    assert production_weight(demand, queue, view) == pytest.approx(expected)


def test_assigned_jobs_do_not_count_for_a_demand_whose_input_is_there() -> None:
    queue = a_queue(n_running=99, n_activated=10, n_assigned=80)
    assert production_weight(a_demand(), queue, a_view()) == pytest.approx(100 / 20)


def test_jobs_sent_since_the_view_lower_every_weight() -> None:
    ledger = Ledger()
    queue, view = a_queue(n_running=10, mean_run_seconds=100), a_view(ledger=ledger)
    before = [weight(a_demand(), queue, view) for weight in WEIGHTS]
    ledger.note("CERN", 30, at_seconds=0)
    after = [weight(a_demand(), queue, view) for weight in WEIGHTS]
    assert all(b > a for b, a in zip(before, after, strict=True))


def test_analysis_weight_is_the_formula() -> None:
    queue = a_queue(
        n_nodes_asking=6, n_nodes_updating=2, most_running=49, n_running=10, pilot_factor=1.5,
        n_defined=1, n_activated=2, n_starting=3, n_assigned=4,
    )  # fmt: skip
    # (1 + 6/3) × (49 + 1) × 1.5 × 1 / (1 + 2 + 3 + 4)
    assert analysis_weight(a_demand(), queue, a_view()) == pytest.approx(3 * 50 * 1.5 / 10)


def test_analysis_weight_of_an_empty_queue_divides_by_one() -> None:
    assert analysis_weight(a_demand(), a_queue(), a_view()) == 1.0


@pytest.mark.parametrize(
    ("demand", "factor"),
    [
        ({"may_move_input": False, **INPUT}, 0.0),
        ({"may_move_input": False}, 1.0),
        ({"may_move_input": False, **INPUT,
          "input_at": {"CERN-T0": InputAt(size_mb=1000, n_files=100)}}, 1.0),
        (INPUT, 1.0),
        (INPUT | {"input_at": {"CERN-T0": InputAt(size_mb=20_000)}}, 3.0),
        (INPUT | {"input_at": {"CERN-T0": InputAt(on_tape_mb=500_000)}}, 1.5),
    ],
)  # fmt: skip
def test_analysis_data_factor(demand: dict[str, Any], factor: float) -> None:
    assert analysis_data_factor(a_demand(**demand), a_queue()) == factor


@pytest.mark.parametrize(
    ("n_files", "cap", "weight"),
    [(0, 150, 2.0), (75, 150, 1.5), (150, 150, 1.0), (999, 150, 1.0), (-5, 150, 2.0),
     (0, 0, 2.0), (1, 0, 1.0)],
)  # fmt: skip
def test_queued_weight_falls_from_2_to_1(n_files: int, cap: float, weight: float) -> None:
    limits = Thresholds(nqueued_sat_cap=cap)
    assert queued_weight(Link(n_files_queued=n_files), limits) == weight


@pytest.mark.parametrize(
    ("link", "weight"),
    [
        (Link(closeness=0), 2.0),
        (Link(closeness=11), 1.0),
        (Link(closeness=5.5), 1.5),
        (Link(closeness=99), 1.0),
        (Link(), 1.3),
        (Link(mb_per_second_last_hour=201, closeness=11), 2.0),
        (Link(mb_per_second_last_hour=200), 1.9),
        (Link(mb_per_second_last_hour=60), 1.6),
        (Link(mb_per_second_last_hour=0.5), 1.0),
        # the newest measurement counts
        (Link(mb_per_second_last_hour=1.5, mb_per_second_last_day=300), 1.1),
        (Link(mb_per_second_last_day=80, mb_per_second_last_week=1), 1.8),
        (Link(mb_per_second_last_week=15), 1.3),
        (Link(mb_per_second_last_hour=0.0, mb_per_second_last_day=300), 1.0),
    ],
)
def test_throughput_weight(link: Link, weight: float) -> None:
    assert throughput_weight(link) == pytest.approx(weight)


def test_network_weight_is_2_5_at_the_nucleus_and_1_without_one() -> None:
    assert network_weight(a_demand(nucleus="CERN-T0"), a_queue(), a_view()) == 2.5
    assert network_weight(a_demand(), a_queue(), a_view()) == 1.0
    assert network_weight(a_demand(nucleus="BNL"), a_queue(), a_view()) == pytest.approx(1.65)


@pytest.mark.parametrize(
    ("queue", "age", "backlog", "rate"),
    [
        ({"n_running": 10, "n_activated": 5, "mean_run_seconds": 100}, 0, 5, 0.1),
        # 50 s later, 5 of the 10 have ended
        ({"n_running": 10, "n_activated": 5, "mean_run_seconds": 100}, 50, 0, 0.1),
        ({"n_running": 10, "n_activated": 5, "mean_run_seconds": 100}, 9999, -10, 0.1),
        ({"n_running": 10, "n_activated": 5, "mean_run_seconds": 100}, -50, 5, 0.1),
        ({"n_running": 2, "n_slots": 8, "mean_run_seconds": 400}, 0, -6, 0.02),
        ({"most_running": 36}, 0, -36, 0.01),
        ({}, 0, -1, 1 / 3600),
        ({"mean_run_seconds": float("inf")}, 0, -1, 1e-8),
        ({"mean_run_seconds": float("nan")}, 0, -1, 1.0),
        ({"n_running": -3, "n_activated": -3, "mean_run_seconds": 0}, 0, -1, 1 / 3600),
    ],
)
def test_line_of_a_queue(queue: dict[str, Any], age: float, backlog: float, rate: float) -> None:
    found = line(a_queue(**queue), a_view(age_seconds=age))
    assert (found.backlog, found.rate) == pytest.approx((backlog, rate))


def test_lane_counts_what_was_sent_and_a_part_of_the_run_time() -> None:
    ledger = Ledger()
    ledger.note("CERN", 7, at_seconds=0)
    queue, view = a_queue(n_running=10, mean_run_seconds=100), a_view(ledger=ledger)
    found = lane(a_demand(walltime_seconds=500), queue, view, line(queue, view))
    assert (found.backlog, found.offset_seconds) == (7, 50)
    assert cost_seconds(found, 2) == pytest.approx((7 + 2 + 1) / 0.1 + 50)


def test_input_that_must_be_moved_costs_the_time_of_the_best_link() -> None:
    demand = a_demand(
        input_mb=1000, total_input_mb=10_000, n_input_files=10,
        input_at={"BNL": InputAt(size_mb=10_000, n_files=10), "CERN-T0": InputAt(size_mb=4000)},
    )  # fmt: skip
    fast = a_view(links={("BNL", "CERN-T0"): Link(mb_per_second_last_day=20)})
    assert transfer_seconds(demand, a_queue(), fast) == pytest.approx(0.6 * 1000 / 20)
    assert transfer_seconds(demand, a_queue(), a_view()) == pytest.approx(0.6 * 1000 / 10)
    assert transfer_seconds(demand, a_queue(site="BNL"), a_view()) == 0


@given(demands, loads, st.floats(-1e9, 1e9))
def test_every_weight_is_a_number_above_zero(demand: Any, load: Load, age: float) -> None:
    queue, view = replace(a_queue(), load=load), a_view(age_seconds=age)
    assert all(0 < weight(demand, queue, view) < float("inf") for weight in WEIGHTS)
