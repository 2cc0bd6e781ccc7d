"""Verbs of tests of searches: submit one, and evaluate its points as pilots would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from culm.wire.job_spec import JobSpec
from tasks.store.books import Books
from tests.builders import a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows

SPACE = {
    "x": {"method": "uniform", "dimension": {"low": -5, "high": 5}},
    "y": {"method": "uniformint", "dimension": {"low": 0, "high": 9}},
}

Evaluate = Callable[[dict[str, Any]], Any]


def bowl(point: dict[str, Any]) -> float:
    """Least at x = 1, y = 4."""
    return float((point["x"] - 1) ** 2 + (point["y"] - 4) ** 2)


def a_search(books: Books, spec: dict[str, Any] | None = None, **search: Any) -> int:
    """A submitted search over SPACE; gives the task's id."""
    terms = {"space": SPACE, "seed": 1} | search
    metrics = terms.get("metrics_name")
    outputs = [metrics] if metrics else []
    return a_task(books, search=terms, outputs=outputs, command="evaluate", **(spec or {}))


def document_of(job: JobSpec) -> dict[str, Any]:
    """What a job of a search is to do."""
    found: dict[str, Any] = json.loads(job.files["culm_search.json"])
    return found


def result_of(job: JobSpec, evaluate: Evaluate) -> str:
    """What a job that evaluates so leaves: what is no number becomes an error in words."""
    found = {}
    for point in document_of(job)["points"]:
        loss = evaluate(point["parameters"])
        entry = {"error": loss} if isinstance(loss, str) else {"loss": loss}
        found[str(point["point_nr"])] = entry
    return json.dumps({"points": found})


def work_of(books: Books, pilot: int) -> list[JobSpec]:
    """All the work there is now."""
    return list(get_work(books, pilot).jobs)


def evaluate_jobs(books: Books, pilot: int, jobs: list[JobSpec], evaluate: Evaluate = bowl) -> None:
    """Report the end of these jobs, each with the losses of its points."""
    report(books, pilot, *(a_report(job, result=result_of(job, evaluate)) for job in jobs))
    run_stages(books)


def search_on(books: Books, pilot: int, evaluate: Evaluate = bowl) -> list[list[int]]:
    """Evaluate until nothing is left; gives the points of each job, batch by batch."""
    run_stages(books)
    batches = []
    while jobs := work_of(books, pilot):
        batches.append([p["point_nr"] for job in jobs for p in document_of(job)["points"]])
        evaluate_jobs(books, pilot, jobs, evaluate)
    return batches


def points_of(books: Books, task_id: int) -> list[tuple[Any, ...]]:
    """(segment, point_nr, loss, is_hopeless) of each point."""
    return rows(
        books,
        "SELECT segment, point_nr, loss, is_hopeless FROM search_point WHERE task_id = :id "
        "ORDER BY segment, point_nr", id=task_id,
    )  # fmt: skip
