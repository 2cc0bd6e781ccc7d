"""What a task would become is what it becomes; and the books are as they were."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import MetaData, select
from sqlmodel import col
from sqlmodel import select as select_rows

from culm.core.errors import Conflict, InvalidRequest
from tasks.store.books import Books
from tasks.tables import Job
from tasks.why.forecast import forecast
from tests.builders import a_dataset, a_spec, a_task, run_stages


def everything(books: Books) -> dict[str, Any]:
    """Every row of every table."""
    found = MetaData()
    with books.read() as session:
        connection = session.connection()
        found.reflect(connection)
        return {
            name: sorted(map(repr, connection.execute(select(table))))
            for name, table in found.tables.items()
        }


SPLITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no input": ({}, {"n_jobs": 30}),
    "one file a job": ({}, {}),
    "files": ({}, {"n_files_per_job": 4}),
    "jobs": ({}, {"n_jobs": 3}),
    "size": ({"size_bytes": 400_000_000}, {"n_gb_per_job": 1}),
    "events": ({"n_events": 100}, {"n_events_per_job": 30}),
    "over files": ({"n_events": 100}, {"n_events_per_job": 30, "events_across_files": True}),
}


@pytest.mark.parametrize("name", SPLITS)
def test_jobs_are_those_that_a_submission_makes(books: Books, name: str) -> None:
    files, changes = SPLITS[name]
    if name != "no input":
        changes = changes | {"inputs": [{"datasets": [a_dataset(books, 10, **files)]}]}
    before = everything(books)
    found = forecast(books, a_spec(**changes, memory_mb=1500), "alice")
    assert everything(books) == before
    task_id = a_task(books, **changes, memory_mb=1500, skip_scouts=True)
    run_stages(books)
    with books.read() as session:
        jobs = session.exec(select_rows(Job).where(col(Job.task_id) == task_id)).all()
    assert found.jobs.n_jobs == len(jobs)
    assert (found.verdict, found.jobs.memory_mb) == ("taken", 1500)
    assert [(q.queue, q.rank, q.n_jobs) for q in found.queues] == [("LOCAL", 1, len(jobs))]


def test_sizes_scouts_builds_and_merges_are_told(books: Books) -> None:
    data = a_dataset(books, 50, size_bytes=3_000_000, n_events=10)
    spec = a_spec(
        inputs=[{"datasets": [data]}], n_files_per_job=2, outputs=["o"], merge_output=True,
        n_files_per_merge_job=10, build_command="make", sandbox="f" * 64, walltime_seconds=600,
    )  # fmt: skip
    found = forecast(books, spec, "alice")
    assert (found.jobs.n_jobs, found.jobs.n_scouts) == (25, 10)
    assert (found.jobs.n_builds, found.jobs.n_merges) == (1, 3)
    assert (found.jobs.files.most, found.jobs.input_mb.most) == (2, 6)
    assert found.jobs.events is not None
    assert found.jobs.events.mean == 20
    assert found.run_seconds == 600


def test_queue_that_refuses_says_why(books: Books) -> None:
    with books.write() as session:
        settings = '{"n_slots": 10, "max_memory_mb": 1000}'
        session.connection().exec_driver_sql(f"UPDATE queue SET settings = '{settings}'")
    found = forecast(books, a_spec(memory_mb=3000), "alice")
    assert (found.verdict, found.queues[0].queue, found.queues[0].rank) == (
        "never", "LOCAL", None)  # fmt: skip
    assert "3000" in found.queues[0].reason
    assert any("memory" in change for change in found.changes)


def test_millions_of_jobs_are_counted_and_not_made(books: Books) -> None:
    found = forecast(books, a_spec(n_jobs=3_000_001), "alice")
    assert (found.jobs.n_jobs, found.queues[0].n_jobs) == (3_000_001, 3_000_001)
    events = a_spec(n_events=10**9, n_events_per_job=300)
    assert forecast(books, events, "alice").jobs.n_jobs == 3_333_334


def test_task_that_would_break_says_why(books: Books) -> None:
    stream = {"datasets": [a_dataset(books, 2)], "n_skip": 2}
    found = forecast(books, a_spec(inputs=[stream]), "alice")
    assert (found.verdict, found.jobs.n_jobs) == ("never", 0)
    assert "no input" in found.summary


def test_what_a_submission_would_refuse_is_refused(books: Books) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        forecast(books, a_spec(inputs=[{"datasets": ["user.alice.nothing"]}]), "alice")
    assert "no such dataset" in str(wrong.value.faults[0])
    a_task(books, name="user.alice.mine")
    with pytest.raises(Conflict):
        forecast(books, a_spec(name="user.alice.mine"), "alice")


def test_search_counts_its_evaluations(books: Books) -> None:
    space = {"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}}
    search = {"space": space, "max_points": 9, "n_points_per_job": 2}
    before = everything(books)
    found = forecast(books, a_spec(search=search, skip_scouts=True), "alice")
    assert (found.jobs.n_jobs, found.verdict) == (5, "taken")
    assert everything(books) == before
