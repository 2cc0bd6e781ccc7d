"""JobSpecs: jobs as pilots get them, made from the rows and the task's specification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.job_spec import JobInput, JobOutput, JobSpec, Sandbox
from culm.wire.placeholders import JobValues, fill
from culm.wire.task_spec import TaskSpec
from culm.wire.views import JobFileView
from tasks.catalog.own import urls_of
from tasks.queues import QueueSettings
from tasks.specs import specs_of
from tasks.stages.search_jobs import with_search
from tasks.statuses import DatasetKind
from tasks.store.bulk import ids_among
from tasks.store.prepared import Prepared
from tasks.store.tables import DATASET, ENDPOINT, FILE, JOB, JOB_FILE, TASK, core
from tasks.tables import Job
from tasks.tables import Sandbox as SandboxRow

_SANDBOX = core(SandboxRow)


def job_specs(
    session: Session, job_ids: Sequence[int], settings: Mapping[int, QueueSettings]
) -> dict[int, JobSpec]:
    """The specifications of these jobs, by id; `settings` are those of each job's queue."""
    jobs = _jobs(session, job_ids)
    specs = specs_of(session, {job.task_id for job in jobs})
    files = _files(session, job_ids)
    ids = {f.catalog_file_id for some in files.values() for f in some if f.catalog_file_id}
    urls = urls_of(session, list(ids)) if ids else {}
    sandboxes = _sandboxes(session, {s.sandbox for s in specs.values() if s.sandbox})
    made = {
        job.id: _job_spec(job, specs[job.task_id], files[job.id], urls, sandboxes,
                          settings[job.id])
        for job in jobs
    }  # fmt: skip
    searching = {job.id: _primary(files[job.id]) for job in jobs if specs[job.task_id].search}
    return with_search(session, made, specs, searching)


def _primary(files: Sequence[FileRow]) -> str:
    """The dataset of a job's primary files, where they are no files of the catalogue."""
    return next(file.dataset for file in files if file.kind == DatasetKind.SEQ_NUMBER)


class JobRow(NamedTuple):
    """A job as its row, its task's name and the place of its outputs."""

    id: int
    task_id: int
    attempt_nr: int
    core_count: int
    memory_mb: int
    disk_mb: int
    walltime_seconds: int
    sequence_nr: int
    first_event: int
    max_events: int
    skip_events: int
    task_name: str
    storage: str | None


class FileRow(NamedTuple):
    """A file of a job."""

    job_id: int
    kind: str
    stream: str
    local_name: str
    dataset: str
    lfn: str
    size_bytes: int | None
    adler32: str | None
    catalog_file_id: int | None


_JOBS = Prepared(
    select(*(JOB.c[name] for name in JobRow._fields[:-2]), TASK.c.name, ENDPOINT.c.url)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .outerjoin(ENDPOINT, ENDPOINT.c.id == TASK.c.endpoint_id)
    .where(ids_among(JOB.c.id)).order_by(JOB.c.id)
)  # fmt: skip
_FILES = Prepared(
    select(JOB_FILE.c.job_id, JOB_FILE.c.kind, DATASET.c.stream, DATASET.c.local_name,
           DATASET.c.name, FILE.c.lfn, FILE.c.size_bytes, FILE.c.adler32, FILE.c.catalog_file_id)
    .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
    .join(DATASET, DATASET.c.id == JOB_FILE.c.dataset_id)
    .where(ids_among(JOB_FILE.c.job_id))
    .order_by(JOB_FILE.c.job_id, JOB_FILE.c.file_id)
)  # fmt: skip


def _jobs(session: Session, job_ids: Sequence[int]) -> list[JobRow]:
    return [JobRow._make(row) for row in _JOBS.rows(session, ids=list(job_ids))]


def _files(session: Session, job_ids: Sequence[int]) -> dict[int, list[FileRow]]:
    files: dict[int, list[FileRow]] = defaultdict(list)
    for row in _FILES.rows(session, ids=list(job_ids)):
        files[row[0]].append(FileRow._make(row))
    return files


def _sandboxes(session: Session, digests: set[str]) -> dict[str, Sandbox]:
    if not digests:
        return {}
    rows = session.connection().execute(
        select(_SANDBOX.c.digest, _SANDBOX.c.size_bytes).where(_SANDBOX.c.digest.in_(digests))
    )
    return {
        row.digest: Sandbox(digest=row.digest, url=f"/v1/sandboxes/{row.digest}",
                            size_bytes=row.size_bytes)
        for row in rows
    }  # fmt: skip


def command_of(job: JobRow | Job, spec: TaskSpec, files: Sequence[FileRow | JobFileView]) -> str:
    """The command of one job, with every placeholder filled in."""
    streams: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.kind == DatasetKind.INPUT:
            streams[file.stream].append(file.lfn)
    return fill(spec.command, JobValues(
        files={stream: tuple(names) for stream, names in streams.items()},
        outputs=spec.outputs, sequence_nr=job.sequence_nr, max_events=job.max_events,
        skip_events=job.skip_events, first_event=job.first_event,
    ))  # fmt: skip


def _job_spec(
    job: JobRow,
    spec: TaskSpec,
    files: Sequence[FileRow],
    urls: Mapping[int, tuple[str, ...]],
    sandboxes: Mapping[str, Sandbox],
    settings: QueueSettings,
) -> JobSpec:
    return JobSpec(
        job_id=job.id, task_id=job.task_id, attempt_nr=job.attempt_nr, task_name=job.task_name,
        command=command_of(job, spec, files),
        inputs=tuple(
            JobInput(lfn=f.lfn, stream=f.stream, urls=urls.get(f.catalog_file_id or 0, ()),
                     size_bytes=f.size_bytes, adler32=f.adler32)
            for f in files if f.kind == DatasetKind.INPUT
        ),
        outputs=tuple(
            JobOutput(local_name=f.local_name, lfn=f.lfn, kind=f.kind,
                      url=f"{job.storage}/{f.dataset}/{f.lfn}")
            for f in files if f.kind in (DatasetKind.OUTPUT, DatasetKind.LOG)
        ),
        sandbox=sandboxes.get(spec.sandbox or ""),
        core_count=job.core_count, memory_mb=job.memory_mb, disk_mb=job.disk_mb,
        walltime_seconds=job.walltime_seconds, heartbeat_seconds=settings.heartbeat_seconds,
        lease_seconds=settings.lease_seconds,
    )  # fmt: skip
