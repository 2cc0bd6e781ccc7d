"""JobSpecs: jobs as pilots get them, made from the rows and the task's specification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.job_spec import LOG_STREAM, JobInput, JobOutput, JobSpec, Sandbox
from culm.wire.placeholders import JobValues, fill
from culm.wire.task_spec import TaskSpec
from culm.wire.views import JobFileView
from cwl.tool_jobs import job_files
from tasks.catalog.own import urls_of
from tasks.merging import merge_command, merged_name
from tasks.output_names import UNMERGED, output_plans
from tasks.queues import QueueSettings
from tasks.specs import specs_of
from tasks.stages.search_jobs import with_search
from tasks.stages.settle_runs import WRITTEN
from tasks.statuses import LIB_INPUT, MERGE_INPUT, DatasetKind, JobKind
from tasks.store.bulk import ids_among
from tasks.store.configuration import values
from tasks.store.prepared import Prepared
from tasks.store.tables import DATASET, ENDPOINT, FILE, JOB, JOB_FILE, TASK, core
from tasks.tables import Job
from tasks.tables import Sandbox as SandboxRow
from tasks.thresholds import Builds

_SANDBOX = core(SandboxRow)
_ON_THE_WIRE = {
    str(DatasetKind.TMPL_OUTPUT): str(DatasetKind.OUTPUT),
    str(DatasetKind.TMPL_LOG): str(DatasetKind.LOG),
}
"""To a pilot an output is an output, merged later or not."""


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
    found = {
        job.id: _job_spec(job, specs[job.task_id], files[job.id], urls, sandboxes,
                          settings[job.id])
        for job in jobs
    }  # fmt: skip
    builds = [job for job in jobs if job.kind == JobKind.BUILD]
    if builds:
        found |= _limited(session, builds, found)
    searching = {job.id: _primary(files[job.id]) for job in jobs if specs[job.task_id].search}
    return with_search(session, found, specs, searching) if searching else found


def _primary(files: Sequence[FileRow]) -> str:
    """The dataset of a job's primary files, where they are no files of the catalogue."""
    return next(file.dataset for file in files if file.kind == DatasetKind.SEQ_NUMBER)


class JobRow(NamedTuple):
    """A job as its row, its task's activity and name, and the place of its outputs."""

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
    kind: str
    activity: str
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
    dataset_kind: str


_JOBS = Prepared(
    select(*(JOB.c[name] for name in JobRow._fields[:-3]), TASK.c.activity, TASK.c.name,
           ENDPOINT.c.url)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .outerjoin(ENDPOINT, ENDPOINT.c.id == TASK.c.endpoint_id)
    .where(ids_among(JOB.c.id)).order_by(JOB.c.id)
)  # fmt: skip
_FILES = Prepared(
    select(JOB_FILE.c.job_id, JOB_FILE.c.kind, DATASET.c.stream, DATASET.c.local_name,
           DATASET.c.name, FILE.c.lfn, FILE.c.size_bytes, FILE.c.adler32, FILE.c.catalog_file_id,
           DATASET.c.kind)
    .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
    .join(DATASET, DATASET.c.id == JOB_FILE.c.dataset_id)
    .where(ids_among(JOB_FILE.c.job_id))
    .order_by(JOB_FILE.c.job_id, JOB_FILE.c.file_id)
)  # fmt: skip


def _limited(
    session: Session, builds: Sequence[JobRow], specs: Mapping[int, JobSpec]
) -> dict[int, JobSpec]:
    """The specifications of builds, with what their lib files may be at most."""
    now, limited = values(session), {}
    for job in builds:
        most = 1_000_000 * now.of(Builds, activity=job.activity).lib_max_mb
        outputs = (
            replace(o, max_bytes=most) if o.kind == DatasetKind.LIB else o
            for o in specs[job.id].outputs
        )
        limited[job.id] = replace(specs[job.id], outputs=tuple(outputs))
    return limited


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
    if job.kind == JobKind.BUILD:
        return spec.build_command or ""
    if job.kind == JobKind.MERGE:
        return merge_command(spec, _to_merge(spec, files))
    streams: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.kind == DatasetKind.INPUT:
            streams[file.stream].append(file.lfn)
    return fill(spec.command, JobValues(
        files={stream: tuple(names) for stream, names in streams.items()},
        outputs=spec.outputs, sequence_nr=job.sequence_nr, max_events=job.max_events,
        skip_events=job.skip_events, first_event=job.first_event,
    ))  # fmt: skip


def _to_merge(spec: TaskSpec, files: Sequence[FileRow | JobFileView]) -> dict[str, list[str]]:
    """The files that a merge job merges, by the local name of the output."""
    plans = output_plans(spec)
    names = {f"{plan.dataset}{UNMERGED}": plan.local_name for plan in plans if not plan.is_log}
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.kind == MERGE_INPUT and file.dataset in names:
            found[names[file.dataset]].append(file.lfn)
    return found


def _inputs(
    job: JobRow, files: Sequence[FileRow], urls: Mapping[int, tuple[str, ...]]
) -> Iterator[JobInput]:
    for f in files:
        if f.kind == DatasetKind.INPUT:
            places, stream = urls.get(f.catalog_file_id or 0, ()), f.stream
        elif f.kind == MERGE_INPUT:
            places = (f"{job.storage}/{f.dataset}/{f.lfn}",)
            stream = LOG_STREAM if f.dataset_kind == DatasetKind.TMPL_LOG else "IN"
        else:
            continue
        yield JobInput(
            lfn=f.lfn, stream=stream, urls=places, size_bytes=f.size_bytes, adler32=f.adler32
        )


def _local_name(job: JobRow, spec: TaskSpec, file: FileRow) -> str:
    merged = job.kind == JobKind.MERGE and file.kind == DatasetKind.OUTPUT
    return merged_name(file.local_name, spec) if merged else file.local_name


def _job_spec(
    job: JobRow,
    spec: TaskSpec,
    files: Sequence[FileRow],
    urls: Mapping[int, tuple[str, ...]],
    sandboxes: Mapping[str, Sandbox],
    settings: QueueSettings,
) -> JobSpec:
    lib = next((f for f in files if f.kind == LIB_INPUT), None)
    merges_itself = job.kind == JobKind.MERGE and spec.merge_script is None
    return JobSpec(
        job_id=job.id, task_id=job.task_id, attempt_nr=job.attempt_nr, task_name=job.task_name,
        kind=job.kind, command=command_of(job, spec, files),
        inputs=tuple(_inputs(job, files, urls)),
        outputs=tuple(
            JobOutput(local_name=_local_name(job, spec, f), lfn=f.lfn,
                      kind=_ON_THE_WIRE.get(f.kind, f.kind),
                      url=f"{job.storage}/{f.dataset}/{f.lfn}")
            for f in files if f.kind in WRITTEN
        ),
        # What was built began with the sandbox: it holds it.
        sandbox=None if lib or merges_itself else sandboxes.get(spec.sandbox or ""),
        lib=None if lib is None else JobInput(
            lfn=lib.lfn, stream="", urls=(f"{job.storage}/{lib.dataset}/{lib.lfn}",),
            size_bytes=lib.size_bytes, adler32=lib.adler32,
        ),
        core_count=job.core_count, memory_mb=job.memory_mb, disk_mb=job.disk_mb,
        walltime_seconds=job.walltime_seconds, heartbeat_seconds=settings.heartbeat_seconds,
        lease_seconds=settings.lease_seconds,
        reads_directly=settings.direct_access and not spec.force_staged,
        files=job_files(spec.tool) if spec.tool is not None else {},
        container_image=spec.container_image,
        secrets_url=_secrets_url(job) if spec.use_secrets and not merges_itself else None,
    )  # fmt: skip


def _secrets_url(job: JobRow) -> str:
    return f"/v1/jobs/{job.id}/attempts/{job.attempt_nr}/secrets"
