"""Ready files of a task, read in batches and cut into chunks for jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlmodel import Session

from broker.allotting import allot
from broker.values import Ranking
from culm.wire.task_spec import MAX_JOBS, TaskSpec
from tasks.queues import QueueSettings, queue_settings
from tasks.scouting import Asked
from tasks.sizing import MAX_FILES_PER_JOB, Bounds, Given, Offer, bounds_at, given_bounds
from tasks.splitting import Chunk, InputFile, fresh, retries, split, split_among
from tasks.stages.asking import given_of
from tasks.stages.pauses import pauses
from tasks.stages.stage import Act
from tasks.statuses import FileStatus, TaskStatus
from tasks.store.bulk import id_in
from tasks.store.tables import FILE, QUEUE
from tasks.tables import Dataset, Task

JOBS_A_BATCH = 2000
FILES_A_BATCH = 20_000
ALL_FILES = 10 * MAX_JOBS
GUESSED_FILES_PER_JOB = 10
"""How many files to read for a job whose number of files follows from sizes or events."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How the files of a task are cut. `ranking` gives the queues when it is first needed.

    `by_queue`: jobs may be as big as each queue allows, where the owner gave no size and it is
    known what events cost. `wanted`: more jobs are not wanted now (None: as many as can be).
    """

    act: Act
    task: Task
    spec: TaskSpec
    asked: Asked
    ranking: Callable[[], Ranking]
    by_queue: bool
    wanted: int | None = None

    @property
    def most_jobs(self) -> int:
        """Jobs of a batch."""
        return JOBS_A_BATCH if self.wanted is None else min(JOBS_A_BATCH, self.wanted)


@dataclass(frozen=True, slots=True)
class Work:
    """The next batch: what was a job before, and what is new."""

    again: list[Chunk]
    new: list[Chunk]


def next_work(cutting: Cutting, datasets: Sequence[Dataset]) -> Work:
    """The next batch of chunks; empty if nothing is ready.

    They are of one primary dataset, unless the owner said how many jobs there are to be: those
    share the contents of all, if no two files would have the same name in a job.
    """
    for some in _apart(cutting, datasets):
        work = _work_of(cutting, some, _limit(cutting, some[0]))
        if work.again or work.new:
            return work
    return Work([], [])


def all_chunks(cutting: Cutting, datasets: Sequence[Dataset]) -> list[Chunk]:
    """All that the ready files would become at once, however many jobs that are."""
    chunks: list[Chunk] = []
    for some in _apart(cutting, datasets):
        files = fresh(_ready_files(cutting.act.session, [d.id for d in some], ALL_FILES))
        chunks += _cut(cutting, some[0], files, more_may_come=False)
    return chunks


def _apart(cutting: Cutting, datasets: Sequence[Dataset]) -> list[list[Dataset]]:
    """The primary datasets in groups whose files may be in one job."""
    primary = [dataset for dataset in datasets if dataset.is_primary]
    together = cutting.spec.n_jobs is not None and len(primary) > 1
    together = together and not _share_names(cutting.act.session, primary)
    return [primary] if together else [[dataset] for dataset in primary]


def _share_names(session: Session, datasets: Sequence[Dataset]) -> bool:
    c = FILE.c
    twice = (
        select(c.lfn).where(id_in(c.dataset_id, [dataset.id for dataset in datasets], session))
        .group_by(c.lfn).having(func.count(c.dataset_id.distinct()) > 1).limit(1)
    )  # fmt: skip
    return session.connection().execute(twice).first() is not None


def _work_of(cutting: Cutting, some: Sequence[Dataset], limit: int) -> Work:
    files = _ready_files(cutting.act.session, [dataset.id for dataset in some], limit)
    # A search makes its points in rounds: no round waits for the next.
    is_open = cutting.task.input_open and not cutting.task.is_search
    cut = len(files) >= limit
    again, new = _rested(cutting, retries(files)), fresh(files)
    # A batch that was cut off may end in the middle of a job: that job waits for the next.
    chunks = _cut(cutting, some[0], new, more_may_come=is_open or cut)
    if not chunks and not again and cut:
        if limit < FILES_A_BATCH:
            return _work_of(cutting, some, FILES_A_BATCH)
        chunks = [] if is_open else _cut(cutting, some[0], new, more_may_come=False)
    again = again[: cutting.most_jobs]
    return Work(again, chunks[: cutting.most_jobs - len(again)])


def _rested(cutting: Cutting, chunks: list[Chunk]) -> list[Chunk]:
    """Those whose pause is over. Scouts have none: everything else waits for them."""
    if cutting.task.status == TaskStatus.SCOUTING:
        return chunks
    losses = {c.retry_of: max(f.n_lost for f in c.files) for c in chunks if c.retry_of is not None}
    paused = pauses(cutting.act.session, losses)
    return [chunk for chunk in chunks if chunk.retry_of not in paused]


def _limit(cutting: Cutting, dataset: Dataset) -> int:
    """How many ready files to read for the jobs that are wanted."""
    given = given_of(cutting.spec, dataset)
    guess = GUESSED_FILES_PER_JOB if given.is_said else 1
    per_job = MAX_FILES_PER_JOB if cutting.by_queue else given.n_files_per_job or guess
    return max(min(FILES_A_BATCH, cutting.most_jobs * per_job), given.n_files_per_job or 1)


def _cut(
    cutting: Cutting, dataset: Dataset, files: list[InputFile], more_may_come: bool
) -> list[Chunk]:
    given, cost = given_of(cutting.spec, dataset), cutting.asked.cost
    if not files:
        return []
    if not cutting.by_queue or given.is_said or not cost.is_known:
        # Scouts may have changed how many gigabytes make the output that is wanted.
        said = replace(given, n_gb_per_job=cutting.asked.n_gb_per_job)
        return split(files, given_bounds(said, cost), more_may_come)
    ranking = cutting.ranking()
    if not ranking.ranked:
        return []
    bounds = _bounds(cutting, given)
    shares = allot(len(files), ranking)
    return split_among(files, shares, bounds, more_may_come)


def _bounds(cutting: Cutting, given: Given) -> dict[str, Bounds]:
    rows = cutting.act.session.connection().execute(select(QUEUE.c.name, QUEUE.c.settings))
    most = given.max_files_per_job or MAX_FILES_PER_JOB
    return {
        row.name: bounds_at(
            _offer(cutting, queue_settings(row.settings, row.name)), cutting.asked.cost, most
        )
        for row in rows
    }


def _offer(cutting: Cutting, settings: QueueSettings) -> Offer:
    """What a job may use: the least of what the queue has and what the job asks for."""
    task = cutting.task
    in_place = settings.direct_access and not cutting.spec.force_staged
    disk = [mb for mb in (settings.max_disk_mb, task.disk_mb) if mb is not None]
    wall = [s for s in (settings.max_walltime_seconds, task.walltime_seconds) if s is not None]
    return Offer(
        disk_mb=min(disk), walltime_seconds=min(wall), core_count=task.core_count,
        core_power=settings.core_power, reads_directly=in_place,
    )  # fmt: skip


def _ready_files(session: Session, dataset_ids: Sequence[int], limit: int) -> list[InputFile]:
    """The first ready files, and those further on that were in a job with one of them."""
    c = FILE.c
    # One dataset is the rule, and its files lie in the index in this order.
    one = len(dataset_ids) == 1
    of_these = c.dataset_id == dataset_ids[0] if one else id_in(c.dataset_id, dataset_ids, session)
    ready = (
        select(c.id, c.size_bytes, c.n_events, c.start_event, c.job_id, c.n_failed + c.n_lost,
               c.n_lost)
        .where(of_these, c.status == str(FileStatus.READY))
        .order_by(c.id)
    )  # fmt: skip
    run = session.connection().execute
    rows = list(run(ready.limit(limit)))
    before = {row.job_id for row in rows if row.job_id is not None}
    if before and len(rows) == limit:
        rest = c.id > rows[-1].id, id_in(c.job_id, before, session)
        rows += run(ready.where(*rest))
    return [InputFile(r[0], r[1] or 0, r[2], r[3], r[4], r[5], r[6]) for r in rows]
