"""Input that grows: a task beside the one that makes its files, whichever is the faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from culm.wire.job_spec import JobSpec
from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, run_jobs, run_to_the_end, status

PARENT_OUT = "user.alice.parent_out"


def a_family(books: Books, **child: Any) -> tuple[int, int, list[JobSpec]]:
    """(parent, child, the parent's three jobs at a pilot)."""
    parent = a_task(books, name="user.alice.parent", n_jobs=3, outputs=["out"], max_attempts=1)
    values = {"inputs": [{"stream": "IN", "datasets": [PARENT_OUT]}], "command": "%IN"} | child
    own = a_task(books, parent_task_id=parent, **values)
    run_stages(books)
    return parent, own, list(get_work(books, a_pilot(books)).jobs)


def ends(books: Books, jobs: Sequence[JobSpec], *stages: str, state: str = "finished") -> None:
    """Report the end of the parent's jobs, and run these stages (or all)."""
    code = 1305 if state == "failed" else 0
    report(books, 1, *(a_report(job, state, pilot_error_code=code) for job in jobs))
    run_stages(books, *stages)


@pytest.mark.parametrize(
    "more", [{}, {"merge_output": True, "outputs": ["o.root"]}], ids=["plain", "merged"]
)
def test_child_that_has_done_all_when_its_parent_ends_ends_too(
    books: Books, more: dict[str, Any]
) -> None:
    parent, child, jobs = a_family(books, **more)
    ends(books, jobs[:2])
    assert len(run_jobs(books, a_pilot(books))) == 2
    assert status(books, child) == "running"
    ends(books, jobs[2:], state="failed")
    run_to_the_end(books)
    assert (status(books, parent), status(books, child)) == ("finished", "done")


def test_child_whose_further_stream_grows_last_ends_too(books: Books) -> None:
    inputs = [{"stream": "IN", "datasets": [a_dataset(books, 2)]},
              {"stream": "IN2", "datasets": [PARENT_OUT], "n_files_per_job": 1}]  # fmt: skip
    _, child, jobs = a_family(books, inputs=inputs, n_files_per_job=1, command="%IN %IN2")
    ends(books, jobs[:1])
    assert len(run_jobs(books, a_pilot(books))) == 2
    ends(books, jobs[1:])
    assert status(books, child) == "done"
    seen = "SELECT n_files, n_files_finished FROM dataset WHERE task_id = :i AND stream = 'IN2'"
    assert rows(books, seen, i=child) == [(3, 3)]


def test_parent_that_ends_while_its_child_is_assigned_is_noticed_at_once(books: Books) -> None:
    _, child, jobs = a_family(books)
    ends(books, jobs[:1], "collect", "feed")
    assert status(books, child) == "assigning"
    ends(books, jobs[1:], "collect", "post_process")
    assert run_stages(books, "feed") == ["feed: 2 new files"]
    run_to_the_end(books)
    assert status(books, child) == "done"
