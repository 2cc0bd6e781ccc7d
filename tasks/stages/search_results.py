"""Results of a search's jobs taken up: losses to their points, new points to the books.

Called as jobs are settled, in the same transaction: a point has its loss if and only if the job
that found it is finished.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select, update
from sqlmodel import Session

from culm.wire.error_codes import ServerError
from culm.wire.search import SearchSpec
from tasks.lifecycles import JobEvent
from tasks.searches.naming import is_steering, segment_of
from tasks.searches.results import BadResult, Loss, losses, new_points
from tasks.searches.rounds import n_new_points
from tasks.specs import spec_of
from tasks.stages.search_rows import add_points, progress_of
from tasks.stages.settle import settle_failed
from tasks.stages.settle_runs import give_back_some
from tasks.stages.stage import Act
from tasks.statuses import DatasetKind
from tasks.store.bulk import id_in
from tasks.store.moves import Why, move_jobs
from tasks.store.tables import DATASET, JOB_FILE, METADATA, SEARCH_POINT
from tasks.tables import Task
from tasks.tables.columns import db_now

RETURNED = "returned"
"""The kind of a job's file that it gave back: a point without a loss beside others that have one.
A finished job is credited with its input, and with this one it is not."""


@dataclass(slots=True)
class _Job:
    """A job of a search that reported success: its primary dataset, points, and result."""

    dataset: str
    result: str | None
    points: dict[int, int] = field(default_factory=dict)
    """point_nr → file id"""


def take_results(act: Act, task: Task, job_ids: Sequence[int]) -> list[int]:
    """Take up what these jobs found; gives those that found something. The others have failed."""
    search = spec_of(act.session, task.id).search
    if search is None or not job_ids:
        return list(job_ids)
    bad: dict[int, str] = {}
    for job_id, job in _jobs(act.session, job_ids).items():
        taker = _take_round if is_steering(job.dataset) else _take_losses
        words = taker(act, task, search, job_id, job)
        if words:
            bad[job_id] = words
    _fail(act, task, bad)
    return [job_id for job_id in job_ids if job_id not in bad]


def _jobs(session: Session, job_ids: Sequence[int]) -> dict[int, _Job]:
    rows = session.connection().execute(
        select(JOB_FILE.c.job_id, DATASET.c.name, METADATA.c.result, SEARCH_POINT.c.point_nr,
               JOB_FILE.c.file_id)
        .join(DATASET, DATASET.c.id == JOB_FILE.c.dataset_id)
        .outerjoin(METADATA, METADATA.c.job_id == JOB_FILE.c.job_id)
        .outerjoin(SEARCH_POINT, SEARCH_POINT.c.file_id == JOB_FILE.c.file_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session),
               JOB_FILE.c.kind == str(DatasetKind.SEQ_NUMBER))
        .order_by(JOB_FILE.c.job_id)
    )  # fmt: skip
    found: dict[int, _Job] = {}
    for job_id, dataset, result, point_nr, file_id in rows:
        job = found.setdefault(job_id, _Job(dataset, result))
        if point_nr is not None:
            job.points[point_nr] = file_id
    return found


def _take_round(act: Act, task: Task, search: SearchSpec, job_id: int, job: _Job) -> str:
    del job_id
    segment = segment_of(job.dataset)
    room = n_new_points(search, progress_of(act.session, task.id, search)[segment])
    try:
        points = new_points(job.result, room)
    except BadResult as error:
        return str(error)
    add_points(act.session, task.id, segment, points, task.max_attempts)
    return ""


def _take_losses(act: Act, task: Task, search: SearchSpec, job_id: int, job: _Job) -> str:
    del search
    found = losses(job.result, list(job.points))
    good = {number: loss for number, loss in found.items() if loss.loss is not None}
    bad = {number: loss for number, loss in found.items() if loss.loss is None}
    _note(act.session, job_id, job, found)
    if not good:
        return "; ".join(f"point {number}: {loss.message}" for number, loss in bad.items())
    if bad:
        _return(act, task, job_id, [job.points[number] for number in bad])
    return ""


def _note(session: Session, job_id: int, job: _Job, found: Mapping[int, Loss]) -> None:
    c = SEARCH_POINT.c
    statement = (
        update(SEARCH_POINT).where(c.file_id == bindparam("file"))
        .values(loss=bindparam("found"), message=bindparam("words"), job_id=job_id,
                evaluated_at=db_now())
    )  # fmt: skip
    session.connection().execute(
        statement,
        [{"file": job.points[number], "found": loss.loss, "words": loss.message}
         for number, loss in found.items()],
    )  # fmt: skip


def _return(act: Act, task: Task, job_id: int, file_ids: Sequence[int]) -> None:
    give_back_some(act.session, task, job_id, file_ids)
    act.session.connection().execute(
        update(JOB_FILE)
        .where(JOB_FILE.c.job_id == job_id, id_in(JOB_FILE.c.file_id, file_ids, act.session))
        .values(kind=RETURNED)
    )


def _fail(act: Act, task: Task, bad: Mapping[int, str]) -> None:
    if not bad:
        return
    by_words: dict[str, list[int]] = defaultdict(list)
    for job_id, words in bad.items():
        by_words[words[:2000]].append(job_id)
    for words, job_ids in by_words.items():
        move_jobs(
            act.session, job_ids, JobEvent.FAILED, Why(act.actor, words),
            server_error_code=int(ServerError.BAD_RESULT), server_error_diag=words,
        )  # fmt: skip
    settle_failed(act.session, task, dict.fromkeys(bad, True))
