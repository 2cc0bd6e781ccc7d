"""Task brokerage in the server: where output is gathered, kept with every reason, and shown."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import InvalidRequest
from culm.wire.why import Why
from tasks.grid_changes import write_grid
from tasks.specs import spec_of
from tasks.stages.nuclei import nuclei
from tasks.stages.rank_queues import scene_of
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.tables import NucleusDecision, Task
from tasks.why.task import why_task
from tests.builders import a_dataset, a_task, run_stages
from tests.integration.tasks.scene import sql, status, value

TB = 1000
PAST, FUTURE = "2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"


def disk(site: str, **changes: Any) -> dict[str, Any]:
    """An endpoint of 1000 TB, 300 of them free."""
    space = {"total_gb": 1000 * TB, "free_gb": 300 * TB}
    return {"site": site, "url": f"https://{site.lower()}.example/"} | space | changes


GRID: dict[str, Any] = {
    "sites": {"CERN": {"is_nucleus": True}, "BNL": {"is_nucleus": True}, "MANC": {}},
    "endpoints": {"CERN_DISK": disk("CERN"), "BNL_DISK": disk("BNL", free_gb=200 * TB),
                  "MANC_DISK": disk("MANC", free_gb=900 * TB)},
    "queues": {name: {"site": name} for name in ("CERN", "BNL", "MANC")},
}  # fmt: skip


def grid(books: Books, **parts: Any) -> None:
    """The grid, with other entries in some of its parts."""
    document = {name: GRID[name] | parts.pop(name, {}) for name in GRID} | parts
    with books.write() as session:
        write_grid(session, document)


def decided(books: Books, task_id: int) -> NucleusDecision | None:
    with books.read() as session:
        found = session.get(NucleusDecision, task_id)
        if found is not None:
            session.expunge(found)
        return found


def why(books: Books, task_id: int) -> Why:
    with books.read() as session:
        return why_task(session, task_id)


def place(books: Books, task_id: int) -> str:
    return str(value(books, "SELECT e.name FROM task t JOIN storage_endpoint e "
                            "ON e.id = t.endpoint_id WHERE t.id = :t", t=task_id))  # fmt: skip


def test_output_is_gathered_at_the_best_nucleus_and_the_choice_is_kept(books: Books) -> None:
    grid(books)
    task_id = a_task(books, gather=True)
    said = run_stages(books, "refine", "feed", "assign")
    assert place(books, task_id) == "CERN_DISK"
    kept = decided(books, task_id)
    assert kept is not None
    # (free + expired) × min(cutoff, free) / (max(50, RW) × total)
    assert kept.ranking == [
        {"queue": "CERN", "weight": 300 * 300 / (50 * 1000)},
        {"queue": "BNL", "weight": 200 * 200 / (50 * 1000)},
    ]
    assert kept.rejections == []
    assert said[-1] == ("assign: output is gathered at CERN: the best of 2 nuclei, weight 1.8")
    shown = why(books, task_id)
    assert shown.details[-1] == (
        "its output is gathered at CERN (weight 1.8), 1 other nucleus could have"
    )
    assert [(n.nucleus, n.verdict) for n in shown.nuclei] == [("CERN", "taken"), ("BNL", "taken")]


@pytest.mark.parametrize(
    ("entries", "rule", "words", "verdict"),
    [
        ({"sites": {"CERN": {"is_nucleus": True, "down_from": PAST}}}, "downtime",
         "it is in a downtime", "not yet"),
        ({"queues": {"CERN": {"site": "CERN", "status": "offline"}}}, "active",
         "it is not active", "not yet"),
        ({"endpoints": {"CERN_DISK": disk("CERN", is_blacklisted=True)}}, "wide_area",
         "its storage is closed to other sites", "not yet"),
        ({"endpoints": {"CERN_DISK": disk("CERN", total_gb=None)}}, "space",
         "total and free space of its storage are not known", "never"),
        ({"endpoints": {"CERN_DISK": disk("CERN", free_gb=90 * TB)}}, "free_space",
         "it will have 90 TB left, more than 100 are kept", "not yet"),
        ({"links": [{"source": "BNL", "destination": "CERN", "n_files_queued": 10_001}]},
         "backlog", "10001 files are on their way there, the limit is 10000", "not yet"),
        ({"endpoints": {"CERN_DISK": disk("CERN", is_tape=True)}}, "storage",
         "it has no storage", "never"),
    ],
    ids=["downtime", "closed", "blacklisted", "space", "full", "backlog", "tape"],
)  # fmt: skip
def test_each_state_of_a_nucleus_hinders_and_is_told(
    books: Books, entries: dict[str, Any], rule: str, words: str, verdict: str
) -> None:
    only = {"BNL": {"is_nucleus": False}}
    grid(books, **entries | {"sites": entries.get("sites", {}) | only})
    task_id = a_task(books, gather=True)
    run_stages(books, "refine", "feed", "assign")
    assert status(books, task_id) == "pending"
    kept = decided(books, task_id)
    assert kept is not None
    [no] = kept.rejections
    assert (no["queue"], no["rule"], no["reason"]) == ("CERN", rule, words)
    shown = why(books, task_id)
    assert (shown.verdict, shown.summary) == (
        verdict, f"no nucleus gathers its output: CERN: {words}"
    )  # fmt: skip
    assert [(n.nucleus, n.verdict, n.rule) for n in shown.nuclei] == [("CERN", verdict, rule)]


def test_task_goes_on_when_a_nucleus_opens(books: Books) -> None:
    grid(books, sites={"CERN": {"is_nucleus": True, "down_from": PAST},
                       "BNL": {"is_nucleus": False}})  # fmt: skip
    task_id = a_task(books, gather=True)
    run_stages(books)
    assert status(books, task_id) == "pending"
    over = {"is_nucleus": True, "down_from": PAST, "down_until": "2001-01-02T00:00:00+01:00"}
    grid(books, sites={"CERN": over, "BNL": {"is_nucleus": False}})
    assert why(books, task_id).summary == "its output can be gathered at CERN now"
    sql(books, "UPDATE task SET feed_at = created_at")
    run_stages(books)
    assert (place(books, task_id), status(books, task_id)) == ("CERN_DISK", "running")


def test_without_nuclei_it_is_said_how_to_have_one(books: Books) -> None:
    task_id = a_task(books, gather=True)
    run_stages(books)
    shown = why(books, task_id)
    assert (shown.verdict, shown.status) == ("never", "pending")
    assert shown.summary == "its output is to be gathered, and no site is a nucleus"
    assert "is_nucleus" in shown.details[0]


def test_work_that_is_assigned_to_a_nucleus_counts_against_it(books: Books) -> None:
    grid(books)
    # 200 jobs of a day: four times the 50 core-days that count for nothing.
    first = a_task(books, gather=True, n_jobs=200, skip_scouts=True)
    run_stages(books, "refine", "feed", "assign")
    second = a_task(books, gather=True)
    run_stages(books, "refine", "feed", "assign")
    assert (place(books, first), place(books, second)) == ("CERN_DISK", "BNL_DISK")
    with books.read() as session:
        work = {n.name: n.workload_core_days for n in nuclei(session, 1)}
    assert work == {"CERN": pytest.approx(200), "BNL": pytest.approx(1)}


def test_nucleus_with_the_input_is_taken_for_much_input(books: Books) -> None:
    grid(books)
    name = a_dataset(books, 10, size_bytes=2 * 10**12)
    task_id = a_task(books, gather=True, command="cat %IN", inputs=[{"datasets": [name]}])
    sql(books, "UPDATE replica SET endpoint_id = "
               "(SELECT id FROM storage_endpoint WHERE name = 'BNL_DISK')")  # fmt: skip
    run_stages(books, "refine", "feed", "assign")
    assert place(books, task_id) == "BNL_DISK"
    kept = decided(books, task_id)
    assert kept is not None
    [no] = kept.rejections
    assert (no["queue"], no["rule"]) == ("CERN", "local_input")


@pytest.mark.parametrize(
    ("asks", "where"),
    [
        ({"destination": "MANC_DISK"}, "MANC_DISK"),
        ({"nucleus": "MANC", "gather": True}, "MANC_DISK"),
        ({"nucleus": "BNL"}, "BNL_DISK"),
        ({"gather": True, "site": "BNL"}, "BNL_DISK"),
        ({"gather": True, "excluded_sites": ["CERN"]}, "BNL_DISK"),
    ],
    ids=["destination", "nucleus and gather", "nucleus", "site", "excluded"],
)
def test_place_that_is_given_is_taken(books: Books, asks: dict[str, Any], where: str) -> None:
    grid(books)
    task_id = a_task(books, **asks)
    run_stages(books, "refine", "feed", "assign")
    assert place(books, task_id) == where
    asked_brokerage = "gather" in asks and "nucleus" not in asks
    assert (decided(books, task_id) is not None) == asked_brokerage


@pytest.mark.parametrize(
    ("asks", "field", "needed"),
    [
        ({"destination": "CERN_DISC"}, "destination", "CERN_DISK"),
        ({"nucleus": "CERM"}, "nucleus", "CERN"),
        ({"nucleus": "CERN", "destination": "CERN_DISK"}, "nucleus", "not both"),
        ({"nucleus": "CERN", "excluded_sites": ["CERN"]}, "nucleus", "excluded"),
        ({"architecture": "#"}, "architecture", "host_cpu is empty"),
        ({"ip_connectivity": "most"}, "ip_connectivity", "full, http or none"),
        ({"direct_access_only": True}, "direct_access_only", "task with input"),
    ],
)
def test_wrong_place_or_form_is_named(
    books: Books, asks: dict[str, Any], field: str, needed: str
) -> None:
    grid(books)
    with pytest.raises(InvalidRequest) as caught:
        a_task(books, **asks)
    [fault] = caught.value.faults
    assert (fault.field, needed in fault.needed) == (field, True)


def test_place_that_closes_meanwhile_hinders(books: Books) -> None:
    grid(books)
    by_name, by_site = a_task(books, destination="MANC_DISK"), a_task(books, nucleus="MANC")
    gone = a_task(books, destination="CERN_DISK")
    grid(books, endpoints={"MANC_DISK": disk("MANC", is_blacklisted=True)})
    sql(books, "DELETE FROM queue_storage")
    sql(books, "DELETE FROM storage_endpoint WHERE name = 'CERN_DISK'")
    run_stages(books, "refine", "feed", "assign")
    assert why(books, by_name).summary == "the storage MANC_DISK that it asks for is blacklisted"
    assert why(books, by_site).summary == (
        "the site MANC that it asks for has no storage that is open"
    )
    # Refine looks again at what the task names.
    assert status(books, gone) == "tobroken"


def test_an_activity_gathers_by_configuration(books: Books) -> None:
    grid(books)
    with books.write() as session:
        set_value(session, "GATHER_OUTPUT_managed", "true", "root")
    ours, others = a_task(books, activity="managed"), a_task(books)
    run_stages(books, "refine", "feed", "assign")
    assert decided(books, ours) is not None
    assert decided(books, others) is None


def test_jobs_see_the_nucleus(books: Books) -> None:
    grid(books)
    task_id = a_task(books, t1_weight=-1)
    run_stages(books, "refine", "feed", "assign")
    with books.read() as session:
        task = session.get_one(Task, task_id)
        demand = scene_of(session, task, spec_of(session, task_id)).demand
    assert (demand.nucleus, demand.nucleus_only) == ("CERN", True)
    run_stages(books)
    assert value(books, "SELECT q.name FROM job j JOIN queue q ON q.id = j.queue_id "
                        "WHERE j.task_id = :t", t=task_id) == "CERN"  # fmt: skip


@pytest.mark.parametrize(
    ("site", "field", "needed"),
    [
        ({"down_from": "tomorrow"}, "sites.CERN.down_from", "a moment with its zone"),
        ({"down_from": "2026-11-24T08:00:00"}, "sites.CERN.down_from", "a moment with its zone"),
        ({"down_until": FUTURE}, "sites.CERN.down_from", "goes with down_until"),
        ({"down_from": FUTURE, "down_until": PAST}, "sites.CERN.down_until", "after down_from"),
    ],
)
def test_wrong_downtime_is_named_and_changes_nothing(
    books: Books, site: dict[str, str], field: str, needed: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        grid(books, sites={"CERN": site})
    [fault] = caught.value.faults
    assert (fault.field, needed in fault.needed) == (field, True)
    assert value(books, "SELECT count(*) FROM site") == 1
