"""How a search ends, in an event and in words, and how it begins again when it is retried."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlmodel import Session

from tasks.lifecycles import TaskEvent
from tasks.roll_up import verdict
from tasks.specs import spec_of
from tasks.stages.search_rows import jobs_so_far, progress_of, search_row
from tasks.store.tables import SEARCH, SEARCH_POINT


def verdict_of_search(session: Session, task_id: int) -> tuple[TaskEvent, str]:
    """The event that ends a search, by how many of its points have a loss of their own."""
    n_good, n_most = _counts(session, task_id)
    event = verdict(n_most, n_good)
    if event == TaskEvent.ALL_SUCCEEDED:
        return event, ""
    problem = search_row(session, task_id).problem
    return event, problem or f"{n_good} of {n_most} points were evaluated"


def _counts(session: Session, task_id: int) -> tuple[int, int]:
    search = spec_of(session, task_id).search
    if search is None:
        raise RuntimeError(f"task {task_id} is no search")
    progress = progress_of(session, task_id, search).values()
    n_most = sum(p.most_points for p in progress)
    return n_evaluated(session, task_id), n_most


def n_evaluated(session: Session, task_id: int) -> int:
    """How many points have a loss that was found, not booked."""
    c = SEARCH_POINT.c
    return int(session.connection().execute(
        select(func.count()).select_from(SEARCH_POINT)
        .where(c.task_id == task_id, c.loss.is_not(None), ~c.is_hopeless)
    ).scalar_one())  # fmt: skip


def begin_again(session: Session, task_id: int) -> None:
    """A search that is retried: booked losses are taken back, and it may have as many jobs again.

    What was evaluated stays evaluated.
    """
    c = SEARCH_POINT.c
    session.connection().execute(
        update(SEARCH_POINT).where(c.task_id == task_id, c.is_hopeless)
        .values(loss=None, is_hopeless=False, evaluated_at=None)
    )  # fmt: skip
    used = jobs_so_far(session, task_id).n_used
    session.connection().execute(
        update(SEARCH).where(SEARCH.c.task_id == task_id)
        .values(problem="", n_jobs_before=SEARCH.c.n_jobs_before + used)
    )  # fmt: skip
