"""What pilots wait for reads by index: no statement of it looks through a whole table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import listening

LARGE = ("job", "job_file", "file", "replica", "task_parameters", "status_history")


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_dispatch_and_reports_scan_no_large_table(books: Books) -> None:
    a_task(books, inputs=[{"datasets": [a_dataset(books, 50)]}], outputs=["o"], command="cat %IN")
    run_stages(books, "refine", "feed", "assign", "generate")
    pilot = a_pilot(books)
    said: list[str] = []
    # The driver's own trace: hot statements do not go through SQLAlchemy's events.
    with listening(
        books, "checkout", lambda raw, _record, _proxy: raw.set_trace_callback(said.append)
    ):
        jobs = get_work(books, pilot, n_jobs=10).jobs
        report(books, pilot, *(a_report(job, "running") for job in jobs))
        report(books, pilot, *(a_report(job, nr=2) for job in jobs))
    mine = [sql for sql in dict.fromkeys(said) if sql.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(jobs) == 10
    assert any("UPDATE job SET" in sql for sql in mine)
    assert any("json_each" in sql and "job_file" in sql for sql in mine)
    assert list(_scans(books, mine)) == []


def _scans(books: Books, statements: list[str]) -> Iterator[str]:
    with books.read() as session:
        for sql in statements:
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"):
                step = row[3].split()
                if step[0] == "SCAN" and step[1] in LARGE:
                    yield f"{step[1]}: {sql}"
