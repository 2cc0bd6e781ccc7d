"""The rows of searches: how far each segment is, its points, new points and rounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, distinct, func, or_, select, update
from sqlmodel import Session

from culm.wire.search import VERY_LARGE_LOSS, SearchSpec
from tasks.lifecycles import DatasetEvent
from tasks.searches.asking import Tried, most_points
from tasks.searches.naming import points_name, steering_name
from tasks.searches.rounds import JobsSoFar, Progress
from tasks.statuses import DatasetKind, FileStatus, JobStatus
from tasks.store.bulk import insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import database_time, move_datasets
from tasks.store.tables import DATASET, FILE, JOB, JOB_ALIVE, JOB_FILE, SEARCH, SEARCH_POINT
from tasks.tables import File, Search, SearchPoint

# A point whose tries all failed is evaluated: the very large loss is as good as booked.
_GIVEN_UP = FILE.c.status == str(FileStatus.FAILED)
_EVALUATED = or_(SEARCH_POINT.c.loss.is_not(None), _GIVEN_UP)


def progress_of(session: Session, task_id: int, search: SearchSpec) -> dict[str, Progress]:
    """How far each segment is."""
    c = SEARCH_POINT.c
    rows = session.connection().execute(
        select(c.segment, func.count(), func.sum(case((_EVALUATED, 1), else_=0)))
        .join(FILE, FILE.c.id == c.file_id).where(c.task_id == task_id).group_by(c.segment)
    )  # fmt: skip
    counts = {row[0]: (row[1], int(row[2])) for row in rows}
    found = {}
    for segment in search.segment_names:
        n_points, n_evaluated = counts.get(segment, (0, 0))
        most = most_points(search.space_of(segment), search.sampler, search.max_points)
        found[segment] = Progress(n_points=n_points, n_evaluated=n_evaluated, most_points=most)
    return found


def tried_points(session: Session, task_id: int, segment: str) -> list[Tried]:
    """The points of a segment, in order, with what is known of them."""
    c = SEARCH_POINT.c
    loss = case((and_(c.loss.is_(None), _GIVEN_UP), VERY_LARGE_LOSS), else_=c.loss)
    rows = session.connection().execute(
        select(c.parameters, loss).join(FILE, FILE.c.id == c.file_id)
        .where(c.task_id == task_id, c.segment == segment).order_by(c.point_nr)
    )  # fmt: skip
    return [Tried(row[0], row[1]) for row in rows]


def jobs_so_far(session: Session, task_id: int) -> JobsSoFar:
    """The evaluation jobs of a search since it was retried last.

    One that was closed never ran and does not count.
    """
    ran = JOB.c.status != str(JobStatus.CLOSED)
    row = session.connection().execute(
        select(func.count(distinct(JOB.c.id)),
               func.count(distinct(case((JOB_ALIVE, JOB.c.id)))))
        .join(JOB_FILE, JOB_FILE.c.job_id == JOB.c.id)
        .join(SEARCH_POINT, SEARCH_POINT.c.file_id == JOB_FILE.c.file_id)
        .where(JOB.c.task_id == task_id, ran)
    ).one()  # fmt: skip
    before = session.connection().execute(
        select(SEARCH.c.n_jobs_before).where(SEARCH.c.task_id == task_id)
    ).scalar()  # fmt: skip
    return JobsSoFar(n_active=row[1], n_used=row[0] - (before or 0))


@dataclass(frozen=True, slots=True)
class Round:
    """The last round of a steering program: the status of its file, the job that had it."""

    status: str
    job_id: int | None


def last_rounds(session: Session, task_id: int, search: SearchSpec) -> dict[str, Round]:
    """The last round of each segment that had one."""
    segments = {steering_name(segment): segment for segment in search.segment_names}
    latest = (
        select(func.max(FILE.c.id)).join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .where(_primary(task_id), DATASET.c.name.in_(list(segments))).group_by(FILE.c.dataset_id)
    )  # fmt: skip
    rows = session.connection().execute(
        select(DATASET.c.name, FILE.c.status, FILE.c.job_id)
        .join(FILE, FILE.c.dataset_id == DATASET.c.id)
        .where(FILE.c.id.in_(latest))
    )
    return {segments[row.name]: Round(row.status, row.job_id) for row in rows}


def add_points(
    session: Session, task_id: int, segment: str, points: Sequence[dict[str, Any]], attempts: int
) -> None:
    """Write new points of a segment, ready to be evaluated."""
    if not points:
        return
    first = 1 + session.connection().execute(
        select(func.count()).select_from(SEARCH_POINT)
        .where(SEARCH_POINT.c.task_id == task_id, SEARCH_POINT.c.segment == segment)
    ).scalar_one()  # fmt: skip
    numbers = range(first, first + len(points))
    ids = _add_files(session, task_id, points_name(segment), numbers, attempts)
    insert_rows(
        session, SearchPoint, ("file_id", "point_nr", "parameters"),
        zip(ids, numbers, map(json.dumps, points), strict=True),
        same={"task_id": task_id, "segment": segment},
    )  # fmt: skip


def add_round(session: Session, task_id: int, segment: str, attempts: int) -> None:
    """Write a round of the steering program, ready to be run."""
    name = steering_name(segment)
    count = session.connection().execute(
        select(DATASET.c.n_files).where(_primary(task_id), DATASET.c.name == name)
    ).scalar_one()  # fmt: skip
    _add_files(session, task_id, name, range(count + 1, count + 2), attempts)


def _add_files(
    session: Session, task_id: int, name: str, numbers: range, attempts: int
) -> Sequence[int]:
    dataset_id = session.connection().execute(
        select(DATASET.c.id).where(_primary(task_id), DATASET.c.name == name)
    ).scalar_one()  # fmt: skip
    ids = take_ids(session, "file", len(numbers))
    insert_rows(
        session, File, ("id", "lfn"),
        ((i, f"{number:07d}") for i, number in zip(ids, numbers, strict=True)),
        same={"dataset_id": dataset_id, "status": str(FileStatus.READY), "max_attempts": attempts},
    )  # fmt: skip
    session.connection().execute(
        update(DATASET).where(DATASET.c.id == dataset_id)
        .values(n_files=DATASET.c.n_files + len(numbers))
    )  # fmt: skip
    move_datasets(session, [dataset_id], DatasetEvent.CONTENTS_LISTED)
    return ids


def _primary(task_id: int) -> ColumnElement[bool]:
    return and_(DATASET.c.task_id == task_id, DATASET.c.kind == str(DatasetKind.SEQ_NUMBER))


def search_row(session: Session, task_id: int) -> Search:
    """The row of a search, as it is now."""
    return session.get_one(Search, task_id, populate_existing=True)


def add_search(session: Session, task_id: int, search: SearchSpec) -> None:
    """Write the row of a search, if it is not there; without a seed the task's id is it."""
    if session.get(Search, task_id) is None:
        seed = task_id if search.seed is None else search.seed
        session.add(Search(task_id=task_id, seed=seed, looked_at=database_time(session)))
        session.flush()
