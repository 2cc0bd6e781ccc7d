"""Where input is, empty queues that are filled, tasks that are withheld."""

from __future__ import annotations

import pytest

from culm.wire.reports import JobMetrics
from tasks.queue_changes import set_queue, set_queue_status
from tasks.stages.locality import queues_with_input, update_locality
from tasks.stages.queue_filler import queue_filler
from tasks.stages.share_counts import count_shares
from tasks.stages.task_withholder import task_withholder
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import set_value
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
from tests.integration.tasks.scene import PAST, rows, run_to_the_end, sql, status, value


def a_queue_with_storage(books: Books, name: str, *, reads: str = "") -> None:
    """A queue at a site and endpoint of its own, or reading from the storage of another."""
    with books.write() as session:
        set_queue(session, name, name, {})
    sql(books, "INSERT INTO storage_endpoint (name, site_id, url) "
               "SELECT name, id, 'file:///' || name FROM site WHERE name = :name",
        name=name)  # fmt: skip
    sql(books, "UPDATE queue_storage SET endpoint_id = "
               "(SELECT id FROM storage_endpoint WHERE name = :storage) WHERE queue_id = "
               "(SELECT id FROM queue WHERE name = :name)",
        name=name, storage=reads or name)  # fmt: skip


def input_at(books: Books, endpoint: str, n_files: int = 4, **changes: object) -> str:
    """A dataset whose files are all at an endpoint."""
    name = a_dataset(books, n_files, **changes)
    sql(books, "UPDATE replica SET endpoint_id = "
               "(SELECT id FROM storage_endpoint WHERE name = :endpoint) WHERE catalog_file_id IN "
               "(SELECT f.id FROM catalog_file f JOIN catalog_dataset d ON d.id = f.dataset_id "
               " WHERE d.name = :name)", endpoint=endpoint, name=name)  # fmt: skip
    return name


def a_task_on(books: Books, *datasets: str, **changes: object) -> int:
    """A task over datasets, fed and assigned."""
    values = {"command": "cat %IN", "inputs": [
        {"datasets": list(datasets), "n_files_per_job": 1}]} | changes  # fmt: skip
    task_id = a_task(books, **values)
    run_stages(books, "refine", "feed", "assign")
    update_locality(books)
    return task_id


def limit(books: Books, **values: object) -> None:
    with books.write() as session:
        for name, number in values.items():
            set_value(session, name, str(number), "root")


def near(books: Books, task_id: int) -> set[str]:
    with books.read() as session:
        return set(queues_with_input(session).get(task_id, ()))


def test_locality_says_which_queues_have_the_input(books: Books) -> None:
    a_queue_with_storage(books, "CERN")
    a_queue_with_storage(books, "CERN_GPU", reads="CERN")
    a_queue_with_storage(books, "BNL")
    here, there = input_at(books, "CERN"), input_at(books, "BNL", n_files=2)
    one, both = a_task_on(books, here), a_task_on(books, here, there)
    assert (near(books, one), near(books, both)) == ({"CERN", "CERN_GPU"}, set())
    assert rows(books, "SELECT n_files, size_bytes FROM dataset_locality WHERE task_id = :id",
                id=one) == [(4, 4000)]  # fmt: skip
    sql(books, "UPDATE replica SET endpoint_id = (SELECT id FROM storage_endpoint "
               "WHERE name = 'BNL')")  # fmt: skip
    assert near(books, one) == {"CERN", "CERN_GPU"}  # until it is looked up anew
    update_locality(books)
    assert (near(books, one), near(books, both)) == ({"BNL"}, {"BNL"})


def test_input_of_ended_tasks_is_forgotten(books: Books) -> None:
    a_queue_with_storage(books, "CERN")
    a_task_on(books, input_at(books, "CERN"))
    assert value(books, "SELECT count(*) FROM dataset_locality") == 1
    run_to_the_end(books)
    assert update_locality(books) == "input of living tasks: 0 places"
    assert update_locality(books) == ""


@pytest.fixture
def two_sites(books: Books) -> Books:
    """CERN is empty and manned; LOCAL too. A task needs only a few files to fill a queue."""
    a_queue_with_storage(books, "CERN")
    a_pilot(books)
    a_pilot(books, queue="CERN")
    limit(books, **{"MIN_FILES_READY_<activity>": 2, "MIN_FILES_REMAINING_<activity>": 2,
                    "MAX_PREASSIGNED_TASKS_user": 1})  # fmt: skip
    return books


def where_jobs_are(books: Books, task_id: int) -> set[str]:
    found = rows(books, "SELECT DISTINCT q.name FROM job j JOIN queue q ON q.id = j.queue_id "
                        "WHERE j.task_id = :id", id=task_id)  # fmt: skip
    return {row[0] for row in found}


def test_empty_queue_is_filled_until_it_is_empty_no_more(two_sites: Books) -> None:
    books = two_sites
    task_id = a_task_on(books, input_at(books, "CERN"))
    other = a_task_on(books, input_at(books, "CERN"))
    assert queue_filler(books) == "1 tasks pre-assigned"
    assert queue_filler(books) == ""
    run_stages(books)
    assert where_jobs_are(books, task_id) == {"CERN"}
    assert where_jobs_are(books, other) == {"LOCAL"}  # where it waits least
    count_shares(books)
    assert queue_filler(books) == "1 released"
    assert rows(books, "SELECT * FROM preassignment") == []


def test_task_that_the_queue_refuses_does_not_fill_it(two_sites: Books) -> None:
    books = two_sites
    with books.write() as session:
        set_queue(session, "CERN", "CERN", {"max_memory_mb": 1000})
    a_task_on(books, input_at(books, "CERN"), memory_mb=2000)
    assert queue_filler(books) == ""


def test_queue_that_changes_does_not_hold_up_what_was_to_fill_it(two_sites: Books) -> None:
    books = two_sites
    task_id = a_task_on(books, input_at(books, "CERN"), memory_mb=2000)
    assert queue_filler(books) == "1 tasks pre-assigned"
    with books.write() as session:
        set_queue(session, "CERN", "CERN", {"max_memory_mb": 1000})
    run_stages(books)
    assert where_jobs_are(books, task_id) == {"LOCAL"}
    with books.write() as session:
        set_queue_status(session, "CERN", QueueStatus.OFFLINE)
    assert queue_filler(books) == "1 released"


def test_task_that_ends_is_released(two_sites: Books) -> None:
    books = two_sites
    task_id = a_task_on(books, input_at(books, "CERN"))
    queue_filler(books)
    sql(books, "UPDATE share_statistics SET n_queued = 0")
    sql(books, "UPDATE task SET status = 'broken' WHERE id = :id", id=task_id)
    assert queue_filler(books) == "1 released"
    sql(books, "UPDATE task SET status = 'ready' WHERE id = :id", id=task_id)


def test_task_waits_while_its_input_is_only_where_nothing_is_free(books: Books) -> None:
    a_queue_with_storage(books, "CERN")
    a_pilot(books, queue="CERN")
    task_id = a_task_on(books, input_at(books, "CERN", size_bytes=10**9), walltime_seconds=1000)
    light = a_task_on(books, input_at(books, "CERN", size_bytes=10**6), walltime_seconds=1000)
    assert task_withholder(books) == ""
    with books.write() as session:
        set_queue_status(session, "CERN", QueueStatus.OFFLINE)
    assert task_withholder(books) == "1 tasks withheld"
    assert task_withholder(books) == ""
    held = task_row(books, task_id)
    assert held.status == "pending"
    assert held.reason == "its input is only where nothing is free: CERN is offline"
    assert status(books, light) == "ready"
    run_stages(books)
    assert where_jobs_are(books, task_id) == set()
    sql(books, "UPDATE task SET next_look_at = :past WHERE id = :id", id=task_id, past=PAST)
    run_stages(books)
    assert status(books, task_id) == "running"


def test_busy_queue_withholds_and_priority_spares(books: Books) -> None:
    a_queue_with_storage(books, "CERN")
    with books.write() as session:
        set_queue(session, "CERN", "CERN", {"n_slots": 50})
    pilot = a_pilot(books, queue="CERN")
    a_task(books, n_jobs=30, site="CERN", skip_scouts=True)
    run_stages(books)
    get_work(books, pilot, n_jobs=1)
    count_shares(books)
    limit(books, LIMIT_PRIORITY_user=1000)
    data = input_at(books, "CERN", size_bytes=10**9)
    low = a_task_on(books, data, walltime_seconds=1000, priority=999)
    high = a_task_on(books, data, walltime_seconds=1000, priority=1000)
    assert task_withholder(books) == "1 tasks withheld"
    assert "CERN is busy (29 jobs queued, 1 running)" in task_row(books, low).reason
    assert status(books, high) == "ready"


@pytest.mark.parametrize(("size_bytes", "measured_mb", "is_withheld"), [
    pytest.param(10**9, 10.0, False, id="scouts moved little of a big input"),
    pytest.param(10**6, 9000.0, True, id="scouts moved much for a small input"),
])  # fmt: skip
def test_what_scouts_moved_counts_more_than_the_size_of_the_input(
    books: Books, size_bytes: int, measured_mb: float, is_withheld: bool
) -> None:
    a_queue_with_storage(books, "CERN")
    pilot = a_pilot(books, queue="CERN")
    task_id = a_task_on(
        books, input_at(books, "CERN", n_files=60, size_bytes=size_bytes), walltime_seconds=1000,
        site="CERN",
    )  # fmt: skip
    run_stages(books)
    metrics = JobMetrics(wall_seconds=100.0, input_mb=measured_mb)
    jobs = get_work(books, pilot).jobs
    report(books, pilot, *(a_report(job, metrics=metrics) for job in jobs))
    run_stages(books, "collect", "scout")
    assert status(books, task_id) == "scouted"
    with books.write() as session:
        set_queue_status(session, "CERN", QueueStatus.OFFLINE)
    assert task_withholder(books) == ("1 tasks withheld" if is_withheld else "")


def test_what_was_looked_up_meanwhile_is_kept(books: Books) -> None:
    old, new = (a_task_on(books, input_at(books, "LOCAL")) for _ in range(2))
    sql(books, "UPDATE dataset_locality SET n_files = 99")
    sql(books, "UPDATE dataset_locality SET at = '2100-01-01 00:00:00.000000' WHERE task_id = :t",
        t=new)  # fmt: skip
    assert update_locality(books) == "input of living tasks: 1 places"
    assert dict(rows(books, "SELECT task_id, n_files FROM dataset_locality")) == {old: 4, new: 99}
