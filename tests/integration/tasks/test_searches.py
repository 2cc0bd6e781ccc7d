"""Searches over the books: rounds, limits, retries, ends; every stage, no real pilots."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.store.books import Books
from tests.builders import a_pilot
from tests.integration.tasks.scene import (
    status,
)
from tests.integration.tasks.search_scene import (
    a_search,
    points_of,
    search_on,
)


def test_search_evaluates_its_points_in_rounds_and_is_done(books: Books) -> None:
    task_id = a_search(books, max_points=5)
    batches = search_on(books, a_pilot(books))
    # Two points a round, one evaluated at a time; the last round has what is left.
    assert batches == [[1], [2], [3], [4], [5]]
    assert status(books, task_id) == "done"
    assert [row[1] for row in points_of(books, task_id)] == [1, 2, 3, 4, 5]
    assert all(row[2] is not None and not row[3] for row in points_of(books, task_id))


@pytest.mark.parametrize(
    ("terms", "batches"),
    [
        ({"n_parallel_evaluation": 2}, [[1, 2], [3, 4], [5, 6]]),
        ({"n_parallel_evaluation": 9, "n_points_per_iteration": 4}, [[1, 2, 3, 4], [5, 6]]),
        ({"n_points_per_job": 2}, [[1, 2], [3, 4], [5, 6]]),
        # Two a job of three points a round: the third goes alone.
        ({"n_points_per_job": 2, "n_points_per_iteration": 3, "n_parallel_evaluation": 2},
         [[1, 2, 3], [4, 5, 6]]),
    ],
)  # fmt: skip
def test_parallel_evaluations_and_points_a_job_are_kept(
    books: Books, terms: dict[str, Any], batches: list[list[int]]
) -> None:
    task_id = a_search(books, max_points=6, **terms)
    assert search_on(books, a_pilot(books)) == batches
    assert status(books, task_id) == "done"
