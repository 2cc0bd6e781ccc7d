"""What brokerage is fed with: settings, storage, links, locality, thresholds; what it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from broker.architecture import parse_architecture
from broker.software import Release
from broker.values import Demand, InputAt
from tasks.grid_changes import write_grid
from tasks.specs import spec_of
from tasks.stages import queue_counts
from tasks.stages.locality import update_locality
from tasks.stages.rank_queues import rank_queues, scene_of
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.tables import Decision, Task
from tests.builders import a_dataset, a_pilot, a_task, run_stages, task_row
from tests.integration.tasks.scene import sql

GRID: dict[str, Any] = {
    "sites": {"CERN": {}, "BNL": {}},
    "endpoints": {
        "CERN_DISK": {"site": "CERN", "url": "https://c.example/", "free_gb": 900},
        "BNL_DISK": {"site": "BNL", "url": "https://b.example/", "is_blacklisted": True},
        "BNL_TAPE": {"site": "BNL", "url": "https://t.example/", "is_tape": True},
    },
    "queues": {
        "CERN": {"site": "CERN", "reads": ["CERN_DISK"], "settings": {
            "core_count": 8, "core_power": 12, "connectivity": "http#IPv6", "n_slots": 7,
            "software": {"containers": ["any"]}}},
        "BNL": {"site": "BNL", "writes": ["BNL_DISK"], "settings": {"core_count": 2}},
    },
    "links": [{"source": "CERN", "destination": "BNL", "n_files_queued": 9,
               "mb_per_second_last_hour": 50}],
}  # fmt: skip


@pytest.fixture
def grid(books: Books) -> Books:
    with books.write() as session:
        write_grid(session, GRID)
    return books


def scene(books: Books, task_id: int) -> Any:
    with books.write() as session:
        return scene_of(session, session.get_one(Task, task_id), spec_of(session, task_id))


def test_queues_are_seen_with_all_that_is_known(grid: Books) -> None:
    a_pilot(grid, queue="CERN", slots=3)
    task_id = a_task(grid)
    seen = scene(grid, task_id).seen
    queues = {queue.name: queue for queue in seen.queues}
    cern, bnl = queues["CERN"], queues["BNL"]
    assert (cern.site, cern.core_count, cern.core_power, str(cern.connectivity)) == (
        "CERN", 8, 12.0, "http#IPv6")  # fmt: skip
    assert (cern.free_storage_gb, cern.blocked_storage) == (900, "")
    assert cern.software is not None
    assert cern.software.has_any_container
    assert (cern.load.n_batch_jobs, cern.load.n_slots) == (3, 7)
    assert cern.load.last_pilot_seconds_ago is not None
    assert (bnl.blocked_storage, bnl.load.last_pilot_seconds_ago) == ("BNL_DISK", None)
    assert seen.view.links["CERN", "BNL"].mb_per_second_last_hour == 50
    assert seen.view.n_files_to_nucleus == {"BNL": 9}


def test_demand_says_where_the_input_is(grid: Books) -> None:
    name = a_dataset(grid, 4, size_bytes=2_000_000)
    task_id = a_task(grid, command="cat %IN", inputs=[{"datasets": [name], "n_files_per_job": 2}],
                     working_group="higgs", processing_type="evgen",
                     excluded_sites=["BNL"])  # fmt: skip
    run_stages(grid, "refine", "feed", "assign")
    sql(grid, "UPDATE replica SET endpoint_id = (SELECT id FROM storage_endpoint "
              "WHERE name = 'CERN_DISK') WHERE path NOT LIKE '%f000003%'")  # fmt: skip
    sql(grid, "UPDATE replica SET endpoint_id = (SELECT id FROM storage_endpoint "
              "WHERE name = 'BNL_TAPE') WHERE path LIKE '%f000003%'")  # fmt: skip
    update_locality(grid)
    demand: Demand = scene(grid, task_id).demand
    assert (demand.total_input_mb, demand.n_input_files, demand.input_mb) == (8.0, 4, 4.0)
    assert demand.input_at == {
        "CERN": InputAt(size_mb=6.0, n_files=3), "BNL": InputAt(on_tape_mb=2.0)}  # fmt: skip
    assert (demand.working_group, demand.processing_type) == ("higgs", "evgen")
    assert demand.excluded_sites == {"BNL"}
    assert demand.nucleus in {"CERN", "LOCAL"}  # BNL's disk is blacklisted, tape gathers nothing


def test_demand_names_the_software_and_hardware(grid: Books) -> None:
    task_id = a_task(grid, architecture="el9-opt#x86_64", release="Athena-21.0.38", vo="atlas")
    demand: Demand = scene(grid, task_id).demand
    assert demand.architecture == parse_architecture("el9-opt#x86_64")
    assert demand.release == Release("Athena", "21.0.38", "atlas")


def test_thresholds_and_preset_come_from_the_configuration_table(grid: Books) -> None:
    task_id = a_task(grid, activity="managed")
    assert scene(grid, task_id).preset.name == "generic"
    run_stages(grid, "refine")
    with grid.write() as session:
        set_value(session, "BROKERAGE_PRESET_managed", "production", "root")
        set_value(session, "NQUEUED_SAT_CAP", "7", "root")
        set_value(session, "DISK_THRESHOLD_default", "5", "root")
    found = scene(grid, task_id)
    assert found.preset.name == "production"
    assert found.seen.view.thresholds.nqueued_sat_cap == 7
    assert found.seen.view.thresholds.disk_threshold_tb_by_share == {"default": 5}
    # A preset or a plugin that was there once and is no more stops nobody's work.
    sql(grid, "UPDATE configuration SET value = 'gone' WHERE key = 'BROKERAGE_PRESET_managed'")
    with grid.write() as session:
        set_value(session, "NQUEUED_SAT_CAP", "8", "root")  # so that all is read again
    assert scene(grid, task_id).preset.name == "generic"


def test_decision_keeps_ranking_and_reasons_by_cycle(grid: Books) -> None:
    task_id = a_task(grid, core_count=4)
    run_stages(grid)
    with grid.read() as session:
        kept = session.get_one(Decision, task_id)
        session.expunge(kept)
    rejected = {r["queue"]: r for r in kept.rejections}
    assert kept.cycle == 1
    assert rejected["BNL"] == {
        "queue": "BNL", "rule": "core_count", "reason": "it offers 2 cores, 4 needed",
        "offered": 2, "needed": 4, "unit": "cores", "passes": False}  # fmt: skip
    assert kept.ranking[0]["weight"] > 0
    assert {r["queue"] for r in kept.ranking} == {"CERN", "LOCAL"}


def test_counts_of_many_are_kept_and_what_is_sent_counts(
    grid: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_counts, "MANY_JOBS", 0)
    monkeypatch.setattr(queue_counts, "KEPT_FACTOR", 1e6)
    for name in ("CERN", "LOCAL"):
        a_pilot(grid, queue=name)
    tasks = [a_task(grid, n_jobs=10, excluded_sites=["BNL"]) for _ in range(2)]
    run_stages(grid)
    with grid.read() as session:
        task = session.get_one(Task, tasks[0])
        seen = rank_queues(session, task, spec_of(session, tasks[0])).seen
        sent = {name: seen.view.ledger.assigned(name) for name in ("CERN", "LOCAL", "BNL")}
        assert sum(queue.load.n_activated for queue in seen.queues) == 0  # as counted before
    # The second task took the first into account: CERN declares 7 slots.
    assert sent == {"CERN": 7, "LOCAL": 13, "BNL": 0}


def test_task_that_no_queue_takes_is_looked_at_again_when_the_configuration_says(
    grid: Books,
) -> None:
    with grid.write() as session:
        set_value(session, "TIMEOUT_PENDING", "60", "root")
    task_id = a_task(grid, site="BNL", core_count=4)
    run_stages(grid)
    task = task_row(grid, task_id)
    assert task.next_look_at is not None
    assert 0 < (task.next_look_at - task.modified_at).total_seconds() <= 61
