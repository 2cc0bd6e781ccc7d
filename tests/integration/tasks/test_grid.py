"""A grid's document in the books: all of it, or nothing; and statistics of queues."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from culm.core.documents import read_document
from culm.core.errors import InvalidRequest
from culm.wire.codec import encode
from culm.wire.grid import GridChange, LinkEntry
from flows.configuring import configurator
from tasks.grid_changes import write_grid
from tasks.queue_changes import set_queue_status
from tasks.stages.queue_statistics import queue_statistics
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.views.grid import whole_grid
from tests.builders import (
    a_dataset,
    a_pilot,
    a_report,
    a_task,
    get_work,
    report,
    run_stages,
    task_row,
)
from tests.integration.tasks.scene import rows, sql, value

TABLES = ("site", "queue", "storage_endpoint", "queue_storage", "link")
EXAMPLE = Path(__file__).parents[3] / "examples" / "grid" / "grid.yaml"


def written(books: Books, document: Any, **options: bool) -> GridChange:
    with books.write() as session:
        return write_grid(session, document, **options)


def everything(books: Books) -> list[Any]:
    return [rows(books, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]


def statuses(books: Books) -> dict[str, str]:
    return dict(rows(books, "SELECT name, status FROM queue"))  # type: ignore[arg-type]


def test_example_is_loaded_and_takes_work(books: Books) -> None:
    change = written(books, read_document(str(EXAMPLE)))
    assert (change.n_sites, len(change.queues_added), change.n_links) == (12, 30, 77)
    assert value(books, "SELECT count(*) FROM queue_storage WHERE NOT writes") == 7  # tape
    again = written(books, read_document(str(EXAMPLE)))
    assert (again.queues_added, again.queues_changed) == ((), ())
    a_pilot(books, queue="CERN_HIMEM")
    task_id = a_task(books, core_count=16, memory_mb=100_000, n_jobs=3)
    run_stages(books)
    where = "SELECT DISTINCT q.name FROM job j JOIN queue q ON q.id = j.queue_id WHERE task_id = :t"
    assert rows(books, where, t=task_id) == [("CERN_HIMEM",)]


def test_what_is_shown_can_be_written_again_and_changes_nothing(books: Books) -> None:
    written(books, read_document(str(EXAMPLE)))
    with books.read() as session:
        shown = encode(whole_grid(session))
    assert len(shown["links"]) == 77
    assert shown["queues"]["CERN"]["writes"] == ["CERN_DISK"]
    change = written(books, shown)
    assert (change.queues_added, change.queues_changed) == ((), ())
    with books.read() as session:
        assert encode(whole_grid(session)) == shown


def test_document_with_a_fault_changes_nothing(books: Books) -> None:
    written(books, read_document(str(EXAMPLE)))
    before = everything(books)
    bad = {"sites": {"NEW": {}}, "queues": {
        "CERN": {"site": "CERN", "settings": {"core_count": 4}},
        "BNL": {"site": "BNL", "settings": {"cores": 4}},
    }}  # fmt: skip
    with pytest.raises(InvalidRequest, match="nothing was changed") as refused:
        written(books, bad)
    assert [f.field for f in refused.value.faults] == ["queues.BNL.settings.cores"]
    assert everything(books) == before


def test_dry_run_tells_and_changes_nothing(books: Books) -> None:
    before = everything(books)
    change = written(books, {"sites": {"S": {}}, "queues": {"Q": {"site": "S"}}}, dry_run=True)
    assert (change.queues_added, change.dry_run) == (("Q",), True)
    assert everything(books) == before


def test_what_is_not_named_stays(books: Books) -> None:
    written(books, {"queues": {"LOCAL": {"site": "LOCAL", "settings": {"core_count": 4}}}})
    assert rows(books, "SELECT status FROM queue WHERE name = 'LOCAL'") == [("online",)]
    assert value(books, "SELECT count(*) FROM queue_storage") == 1
    change = written(books, {"queues": {"LOCAL": {"site": "LOCAL", "status": "offline"}}})
    assert change.queues_changed == ("LOCAL",)
    assert statuses(books) == {"LOCAL": "offline"}


def test_grid_that_opens_takes_the_tasks_that_wait(books: Books) -> None:
    written(books, {"queues": {"LOCAL": {"site": "LOCAL", "settings": {"max_memory_mb": 1000}}}})
    task_id = a_task(books, memory_mb=5000)
    run_stages(books)
    assert task_row(books, task_id).status == "pending"
    written(books, {"queues": {"LOCAL": {"site": "LOCAL", "settings": {"max_memory_mb": 9000}}}})
    run_stages(books)
    assert task_row(books, task_id).status == "running"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cric.json"
    monkeypatch.setenv("CULM_GRID_SOURCE", str(path))
    return path


def cric(**statuses_: str) -> str:
    return json.dumps({n: {"atlas_site": "X", "status": s} for n, s in statuses_.items()})


def test_configurator_follows_its_document_and_leaves_operators_alone(
    books: Books, source: Path
) -> None:
    source.write_text(cric(A="online", B="online"))
    assert configurator(books) == "2 queues added"
    assert configurator(books) == ""
    with books.write() as session:
        set_queue_status(session, "A", QueueStatus.BROKEROFF)
    configurator(books)
    assert statuses(books)["A"] == "brokeroff"
    source.write_text(cric(A="test"))
    assert configurator(books) == "1 queues changed, 1 queues gone offline"
    assert statuses(books) == {"LOCAL": "online", "A": "test", "B": "offline"}


def test_configurator_names_what_is_wrong_and_changes_nothing(books: Books, source: Path) -> None:
    assert "not taken" in configurator(books)  # the file is not there
    before = everything(books)
    source.write_text(json.dumps({"A": {"atlas_site": "X", "status": "online", "maxrss": []}}))
    assert "A.maxrss: [] - a number is needed" in configurator(books)
    source.write_text(cric(A="onlin"))
    assert "did you mean online?" in configurator(books)
    assert everything(books) == before


def test_configurator_without_a_source_does_nothing(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CULM_GRID_SOURCE", raising=False)
    assert configurator(books) == ""


def statistics(books: Books) -> dict[str, Any]:
    queue_statistics(books)
    names = ("n_activated", "n_starting", "n_running", "n_slots", "n_nodes_asking",
             "n_nodes_updating", "most_running", "n_runs")  # fmt: skip
    found = rows(books, f"SELECT {', '.join(names)} FROM queue_statistics")
    return dict(zip(names, found[0], strict=True))


def test_statistics_count_what_is_at_a_queue(books: Books) -> None:
    a_task(books, n_jobs=10)
    run_stages(books)
    pilot = a_pilot(books, slots=5)
    jobs = get_work(books, pilot, n_jobs=4).jobs
    report(books, pilot, *(a_report(job, "running") for job in jobs[:3]))
    found = statistics(books)
    assert found == {"n_activated": 6, "n_starting": 1, "n_running": 3, "n_slots": 5,
                     "n_nodes_asking": 1, "n_nodes_updating": 4, "most_running": 3,
                     "n_runs": 0}  # fmt: skip
    assert value(books, "SELECT last_start_at FROM queue_statistics") is not None
    report(books, pilot, *(a_report(job, nr=2) for job in jobs[:3]))
    run_stages(books)
    found = statistics(books)
    assert (found["n_running"], found["most_running"], found["n_runs"]) == (0, 3, 3)
    assert value(books, "SELECT mean_run_seconds FROM queue_statistics") >= 0
    assert statistics(books)["n_runs"] == 3  # no move is counted twice
    # One that ended before its pilot told that it ran has run all the same.
    report(books, pilot, a_report(jobs[3], metrics={"wall_seconds": 0.5}))
    run_stages(books)
    assert statistics(books)["n_runs"] == 4


TWO_SITES: dict[str, Any] = {
    "sites": {"CERN": {}, "BNL": {}},
    "endpoints": {f"{site}_DISK": {"site": site, "url": f"https://{site.lower()}.example/"}
                  for site in ("CERN", "BNL")},
    "queues": {"Q": {"site": "BNL", "reads": ["CERN_DISK"], "writes": ["BNL_DISK"]},
               "LOCAL": {"site": "LOCAL", "status": "offline"}},
    "links": [{"source": "BNL", "destination": "CERN", "closeness": 2,
               "mb_per_second_last_hour": 80}],
}  # fmt: skip
HOUR, DAY = "mb_per_second_last_hour", "mb_per_second_last_day"


def an_hour_ago() -> str:
    return (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")


def links(books: Books) -> dict[tuple[str, str], LinkEntry]:
    with books.read() as session:
        return {(link.source, link.destination): link for link in whole_grid(session).links}


def moved(books: Books, dataset: str, **changes: Any) -> None:
    """Jobs at BNL whose input comes from CERN and whose output goes there, as pilots told."""
    a_task(books, inputs=[{"datasets": [dataset]}], n_files_per_job=1, destination="CERN_DISK",
           skip_scouts=True)  # fmt: skip
    run_stages(books)
    pilot = a_pilot(books, queue="Q")
    while jobs := get_work(books, pilot).jobs:
        metrics = {"input_mb": 1000.0, "stage_in_seconds": 20.0, "output_mb": 300.0,
                   "stage_out_seconds": 30.0} | changes  # fmt: skip
        report(books, pilot, *(a_report(job, metrics=metrics) for job in jobs))
        run_stages(books)


def test_links_are_measured_by_what_pilots_moved(books: Books) -> None:
    written(books, TWO_SITES)
    there = a_dataset(books, 3)
    sql(books, "UPDATE replica SET endpoint_id = (SELECT id FROM storage_endpoint "
               "WHERE name = 'CERN_DISK')")  # fmt: skip
    # Half of the weight of an hour that went by is 1 - 1/e.
    sql(books, "UPDATE link SET at = :then", then=an_hour_ago())
    moved(books, there)
    moved(books, there, input_mb=0.5, output_mb=9.9)  # too little to tell of the link
    queue_statistics(books)
    found = links(books)
    arrived, sent = found["CERN", "BNL"], found["BNL", "CERN"]
    assert (getattr(arrived, HOUR), getattr(arrived, DAY), arrived.closeness) == (50, 50, None)
    assert arrived.measured_at is not None
    assert getattr(sent, HOUR) == pytest.approx(80 / math.e + 10 * (1 - 1 / math.e), rel=1e-3)
    assert (getattr(sent, DAY), sent.closeness) == (10, 2)
    queue_statistics(books)
    assert links(books) == found  # no job is counted twice


def test_document_has_its_way_with_links_where_it_is_fresher(books: Books) -> None:
    written(books, TWO_SITES)
    link = {"source": "BNL", "destination": "CERN"}
    for told, hour, closeness in (
        ({"closeness": 5}, 80, 5),  # it says nothing of speeds
        ({HOUR: 9, "measured_at": "2020-01-01T00:00:00Z"}, 80, None),
        ({HOUR: 9}, 9, None),
        ({HOUR: 7, "measured_at": "2100-01-01T00:00:00Z"}, 7, None),
        ({HOUR: 6}, 6, None),  # nobody measured in the future
    ):
        written(books, {"links": [link | told]})
        now = links(books)["BNL", "CERN"]
        assert (getattr(now, HOUR), now.closeness) == (hour, closeness), told
    with pytest.raises(InvalidRequest) as refused:
        written(books, {"links": [link | {"measured_at": "yesterday"}]})
    assert [f.field for f in refused.value.faults] == ["links[0].measured_at"]


def test_statistics_from_the_future_do_no_harm(books: Books) -> None:
    statistics(books)
    sql(books, "UPDATE queue_statistics SET last_pilot_at = '2100-01-01 00:00:00.000000', "
               "last_start_at = '2100-01-01 00:00:00.000000'")  # fmt: skip
    task_id = a_task(books)
    run_stages(books)
    assert task_row(books, task_id).status == "running"
