"""Searches as the server shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from culm.core.errors import NotFound, WrongStatus
from culm.wire.search import Sampler
from culm.wire.search_views import PointView, SearchView
from tasks.lifecycles import TASK as MACHINE
from tasks.searches.naming import steering_name
from tasks.specs import spec_of
from tasks.stages.search_rows import jobs_so_far, progress_of
from tasks.statuses import FileStatus, TaskStatus
from tasks.store.tables import DATASET, FILE, JOB, SEARCH_POINT
from tasks.tables import Search, Task
from tasks.views.shown import moment_or_none

_STATUS = {
    FileStatus.READY: "waiting", FileStatus.PICKED: "running", FileStatus.RUNNING: "running",
    FileStatus.FINISHED: "evaluated",
}  # fmt: skip


def search_view(session: Session, task_id: int) -> SearchView:
    """A search with all its points.

    Raises:
        NotFound: there is no such task.
        WrongStatus: the task is no search.
    """
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(f"no task {task_id}")
    search = spec_of(session, task_id).search
    if search is None:
        raise WrongStatus(f"task {task_id} is no hyperparameter search", hint="culm task show")
    row = session.get(Search, task_id)
    progress = progress_of(session, task_id, search).values()
    jobs = jobs_so_far(session, task_id)
    points = tuple(_points(session, task_id))
    own = search.steering_command is not None
    names = [steering_name(segment) for segment in search.segment_names] if own else []
    return SearchView(
        task_id=task_id, name=task.name, status=task.status, reason=task.reason,
        final=TaskStatus(task.status) in MACHINE.final, version=task.version,
        sampler="steering" if own else str(search.sampler or Sampler.TPE),
        seed=row.seed if row else search.seed or task_id,
        n_points=len(points), n_evaluated=sum(p.loss is not None for p in points),
        most_points=sum(p.most_points for p in progress),
        n_jobs=jobs.n_used, most_jobs=search.most_jobs, n_rounds=_n_rounds(session, task_id, names),
        best=tuple(_best(points, search.segment_names)), points=points,
    )  # fmt: skip


def _points(session: Session, task_id: int) -> Iterator[PointView]:
    c = SEARCH_POINT.c
    rows = session.connection().execute(
        select(c.segment, c.point_nr, c.parameters, c.loss, c.is_hopeless, c.message,
               c.evaluated_at, FILE.c.status, FILE.c.attempt_nr, FILE.c.n_failed, FILE.c.job_id,
               JOB.c.pilot_error_diag, JOB.c.server_error_diag)
        .join(FILE, FILE.c.id == c.file_id).outerjoin(JOB, JOB.c.id == FILE.c.job_id)
        .where(c.task_id == task_id).order_by(c.segment, c.point_nr)
    )  # fmt: skip
    return (_point(row) for row in rows)


def _point(row: Any) -> PointView:
    failed = row.loss is None or row.is_hopeless
    words = row.message or row.server_error_diag or row.pilot_error_diag or ""
    return PointView(
        segment=row.segment, point_nr=row.point_nr, parameters=row.parameters, loss=row.loss,
        status="hopeless" if row.is_hopeless else _STATUS.get(row.status, row.status),
        n_tries=row.attempt_nr, job_id=row.job_id, message=words if failed else "",
        evaluated_at=moment_or_none(row.evaluated_at),
    )  # fmt: skip


def _best(points: Sequence[PointView], segments: Sequence[str]) -> Iterator[PointView]:
    """The point of least loss of each segment that has one; the earlier of two alike."""
    for segment in segments:
        mine = [p for p in points if p.segment == segment and p.status == "evaluated"]
        found = min(mine, key=lambda p: (p.loss or 0.0, p.point_nr), default=None)
        if found is not None:
            yield found


def _n_rounds(session: Session, task_id: int, names: Sequence[str]) -> int:
    """How often the user's own steering program made points."""
    if not names:
        return 0
    return int(session.connection().execute(
        select(func.coalesce(func.sum(DATASET.c.n_files_finished), 0))
        .where(DATASET.c.task_id == task_id, DATASET.c.is_primary, DATASET.c.name.in_(names))
    ).scalar_one())  # fmt: skip
