"""Jobs of searches: how many may be made now, and what a pilot is given to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.job_spec import JobInput, JobSpec, SavedFile
from culm.wire.search import SearchSpec
from culm.wire.task_spec import TaskSpec
from tasks.searches.documents import COMMAND, RESULT, Point, evaluation_files, steering_files
from tasks.searches.naming import is_steering, segment_of, training_stream
from tasks.searches.rounds import n_new_jobs, n_new_points
from tasks.stages.chunking import Work
from tasks.stages.drafts import Draft
from tasks.stages.search_rows import jobs_so_far, progress_of, tried_points
from tasks.stages.stage import Act
from tasks.statuses import DatasetKind
from tasks.store.bulk import ids_among
from tasks.store.prepared import Prepared
from tasks.store.tables import DATASET, FILE, JOB_FILE, SEARCH_POINT
from tasks.tables import Dataset

CHECKPOINT = "CHECKPOINT"
"""The stream of what the try before saved."""


def in_turn(datasets: Iterable[Dataset]) -> list[Dataset]:
    """The datasets in the order in which their files become jobs.

    Steering comes first, for all else waits for it; then the segment that had the fewest jobs.
    """
    return sorted(datasets, key=lambda d: (not is_steering(d.name), d.n_files_used))


def within_limits(act: Act, search: SearchSpec, work: Work) -> Work:
    """The part of the work for which evaluation jobs may be made now."""
    chunks = work.again + work.new
    if not chunks or is_steering(_dataset_of(act.session, chunks[0].files[0].file_id, act.task_id)):
        return work
    room = n_new_jobs(search, jobs_so_far(act.session, act.task_id))
    again = work.again[:room]
    return Work(again, work.new[: room - len(again)])


def datasets_for(
    act: Act, search: SearchSpec, drafts: Sequence[Draft], datasets: Sequence[Dataset]
) -> list[Dataset]:
    """The datasets that jobs of these drafts have to do with; all drafts are of one dataset."""
    name = _dataset_of(act.session, drafts[0].chunk.files[0].file_id, act.task_id)
    primary = [d for d in datasets if d.is_primary]
    others = [d for d in datasets if not d.is_primary]
    if is_steering(name):
        return primary + [d for d in others if d.kind == DatasetKind.LOG]
    stream = training_stream(search, segment_of(name))
    written = (DatasetKind.OUTPUT, DatasetKind.LOG)
    return primary + [d for d in others if d.kind in written or d.stream == stream]


def _dataset_of(session: Session, file_id: int, task_id: int) -> str:
    name: str = session.connection().execute(
        select(DATASET.c.name).join(FILE, FILE.c.dataset_id == DATASET.c.id)
        .where(FILE.c.id == file_id, DATASET.c.task_id == task_id)
    ).scalar_one()  # fmt: skip
    return name


@dataclass(frozen=True, slots=True)
class _PointRow:
    file_id: int
    job_id: int
    point_nr: int
    parameters: dict[str, object]
    checkpoint_name: str
    checkpoint_bytes: int
    checkpoint_adler32: str


_POINTS = Prepared(
    select(SEARCH_POINT.c.file_id, JOB_FILE.c.job_id, SEARCH_POINT.c.point_nr,
           SEARCH_POINT.c.parameters, SEARCH_POINT.c.checkpoint_name,
           SEARCH_POINT.c.checkpoint_bytes, SEARCH_POINT.c.checkpoint_adler32)
    .join(JOB_FILE, JOB_FILE.c.file_id == SEARCH_POINT.c.file_id)
    .where(ids_among(JOB_FILE.c.job_id)).order_by(SEARCH_POINT.c.point_nr)
)  # fmt: skip


def with_search(
    session: Session, made: Mapping[int, JobSpec], specs: Mapping[int, TaskSpec],
    primaries: Mapping[int, str],
) -> dict[int, JobSpec]:  # fmt: skip
    """The same jobs, where they are of searches with what these give them to run.

    `primaries` names the primary dataset of each job of a search.
    """
    if not primaries:
        return dict(made)
    points: dict[int, list[_PointRow]] = defaultdict(list)
    for row in _POINTS.rows(session, ids=list(primaries)):
        points[row[1]].append(_PointRow(*row))
    return {
        job_id: _of_search(session, job, specs[job.task_id], primaries[job_id], points[job_id])
        if job_id in primaries else job
        for job_id, job in made.items()
    }  # fmt: skip


def _of_search(
    session: Session, job: JobSpec, spec: TaskSpec, primary: str, points: list[_PointRow]
) -> JobSpec:
    segment, search = segment_of(primary), spec.search
    if search is None:
        return job
    if is_steering(primary):
        progress = progress_of(session, job.task_id, search)[segment]
        tried = tried_points(session, job.task_id, segment)
        files = steering_files(search, segment, n_new_points(search, progress), tried)
        return replace(job, command=COMMAND, files=files, result_name=RESULT)
    training = [item.lfn for item in job.inputs]
    wanted = [Point(row.point_nr, row.parameters) for row in points]
    files = evaluation_files(search, spec.command, segment, wanted, training)
    saves = points if search.checkpoint_paths else []
    return replace(
        job, command=COMMAND, files=files, result_name=RESULT,
        inputs=(*job.inputs, *(_checkpoint(job, row) for row in saves if row.checkpoint_name)),
        saved=tuple(SavedFile(local_name=_local(row), url=_url(job, row)) for row in saves),
    )  # fmt: skip


def _checkpoint(job: JobSpec, row: _PointRow) -> JobInput:
    return JobInput(
        lfn=_local(row), stream=CHECKPOINT, urls=(_url(job, row),),
        size_bytes=row.checkpoint_bytes, adler32=row.checkpoint_adler32,
    )  # fmt: skip


def _local(row: _PointRow) -> str:
    return f"culm_checkpoint.{row.point_nr}.tgz"


def _url(job: JobSpec, row: _PointRow) -> str:
    return f"/v1/jobs/{job.job_id}/checkpoints/{row.file_id}"
