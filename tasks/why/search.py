"""Why a search waits, where a search waits for other things than a task does."""

from __future__ import annotations

from sqlmodel import Session

from tasks.searches.rounds import n_new_jobs
from tasks.specs import spec_of
from tasks.stages.search_rows import jobs_so_far, progress_of
from tasks.tables import Task
from tasks.why.findings import WAITS, Finding, many


def of_search(session: Session, task: Task) -> Finding | None:
    """What a search waits for that has no job and no point to make one of; None if it is over."""
    search = spec_of(session, task.id).search
    if search is None or not task.input_open:
        return None
    progress = progress_of(session, task.id, search).values()
    n_evaluated = sum(p.n_evaluated for p in progress)
    return Finding(
        verdict=WAITS,
        summary=f"its next points are chosen: {many(n_evaluated, 'point')} of "
        f"{sum(p.most_points for p in progress)} evaluated",
        details=("a daemon takes it up within moments; if none runs: culm daemon",),
    )


def limit_of_search(session: Session, task: Task) -> str:
    """Words for the limit that holds a search's further points back; empty if none does."""
    search = spec_of(session, task.id).search
    if search is None:
        return ""
    jobs = jobs_so_far(session, task.id)
    if n_new_jobs(search, jobs):
        return ""
    if jobs.n_used >= search.most_jobs:
        return f"no further jobs: all {search.most_jobs} (maxEvaluationJobs) are used"
    most = search.n_parallel_evaluation
    return f"no further jobs for now: {many(most, 'job')} at a time (nParallelEvaluation)"
