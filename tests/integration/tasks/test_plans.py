"""What pilots wait for reads by index: no statement of it looks through a whole table."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages

LARGE = ("job", "job_file", "file", "replica", "task_parameters", "status_history")


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_dispatch_and_reports_scan_no_large_table(books: Books) -> None:
    a_task(books, inputs=[{"datasets": [a_dataset(books, 50)]}], outputs=["o"], command="cat %IN")
    run_stages(books, "refine", "feed", "assign", "generate")
    pilot = a_pilot(books)
    scans: list[str] = []

    def explain(connection: Any, cursor: Any, sql: str, values: Any, _: Any, many: bool) -> None:
        if sql.split(maxsplit=1)[0] in ("SELECT", "UPDATE", "DELETE"):
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {sql}", values[0] if many else values)
            plan = [row[3].split() for row in raw.fetchall()]
            scans.extend(f"{step[1]}: {sql}" for step in plan
                         if step[0] == "SCAN" and step[1] in LARGE)  # fmt: skip

    event.listen(books.engine, "before_cursor_execute", explain)
    jobs = get_work(books, pilot, n_jobs=10).jobs
    report(books, pilot, *(a_report(job, "running") for job in jobs))
    report(books, pilot, *(a_report(job, nr=2) for job in jobs))
    event.remove(books.engine, "before_cursor_execute", explain)
    assert len(jobs) == 10
    assert scans == []
