"""What the jobs of a task need: its row, its specification, and where its input is."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from sqlalchemy import func, select
from sqlmodel import Session

from broker.architecture import Architecture, parse_architecture
from broker.connectivity import Connectivity, parse_connectivity
from broker.software import Release
from broker.values import Demand, InputAt
from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec
from tasks.scouting import Asked, Lesson
from tasks.stages.asking import asked_now, scouting_of
from tasks.stages.builds import failed_builds
from tasks.stages.scouts import is_scouting
from tasks.statuses import DatasetKind, QueueStatus
from tasks.store.tables import DATASET, DATASET_LOCALITY, ENDPOINT, FILE, PREASSIGNMENT, QUEUE, SITE
from tasks.tables import Task, TaskScouting

MB = 1e6
URGENT = "urgent"
"""In a processing type: its jobs go over good links only (documentation, 12.1)."""


def demand_of(session: Session, task: Task, spec: TaskSpec) -> Demand:
    """What the task's jobs need, and where they are wanted.

    The quantities of PanDA's formulas (a core's memory, an event's CPU time) are filled where
    somebody gave them or scouts measured them; without those the whole of a job is what was
    asked for.
    """
    n_files, size_mb = _input(session, task) if spec.inputs else (0, 0.0)
    per_job_mb = size_mb / n_files * _files_per_job(spec, n_files) if n_files else 0.0
    scouting = scouting_of(session, task.id)
    asked, lesson = asked_now(scouting, spec), _lesson(scouting)
    guessed = 1000 * per_job_mb / task.walltime_seconds
    demand = Demand(
        core_count=task.core_count, memory_mb=task.memory_mb, disk_mb=task.disk_mb,
        walltime_seconds=task.walltime_seconds, priority=task.priority, share=task.share_name,
        processing_type=spec.processing_type or "", working_group=task.working_group,
        activity=task.activity, is_scout=is_scouting(scouting),
        is_urgent=URGENT in (spec.processing_type or ""),
        input_mb=per_job_mb, total_input_mb=size_mb, n_input_files=n_files,
        input_at=_input_at(session, task) if n_files else {},
        io_intensity_kb_per_second=guessed if lesson.io_intensity is None else lesson.io_intensity,
        disk_io_kb_per_second=(lesson.disk_io or 0.0) / task.core_count,
        output_mb_per_event=asked.output_mb_per_event, work_disk_mb=asked.work_disk_mb,
        n_events=_n_events(session, task, spec, n_files),
    )  # fmt: skip
    return _timed(_placed(session, task, spec, demand), asked)


def untimed(demand: Demand) -> Demand:
    """The demand of jobs whose wall time is what they ask for, not what events take."""
    return replace(demand, cpu_seconds_per_event=0.0)


def _placed(session: Session, task: Task, spec: TaskSpec, demand: Demand) -> Demand:
    """With where the jobs are wanted, and what their place must have."""
    return replace(
        demand,
        site=spec.site, excluded_sites=frozenset(spec.excluded_sites),
        failed_builds=failed_builds(session, task.id) if spec.build_command else {},
        nucleus=_nucleus(session, task), nucleus_only=spec.t1_weight < 0,
        preassigned_queues=frozenset() if spec.site else _preassigned(session, task),
        architecture=_architecture(spec.architecture or ""), release=_release(spec),
        container=_container(spec),
        connectivity=_connectivity(spec.ip_connectivity or ""),
        must_read_directly=spec.direct_access_only, may_read_directly=not spec.force_staged,
    )  # fmt: skip


def _timed(demand: Demand, asked: Asked) -> Demand:
    """With the CPU time of an event, if it is known (documentation, 12.1: estimated walltime)."""
    if not asked.cpu_time or not asked.cpu_efficiency:
        return demand
    return replace(
        demand, cpu_seconds_per_event=asked.cpu_time, cpu_efficiency=asked.cpu_efficiency,
        base_seconds=asked.base_seconds,
    )  # fmt: skip


def _lesson(scouting: TaskScouting | None) -> Lesson:
    return Lesson() if scouting is None else decode(Lesson, scouting.lesson, "scouting")


@lru_cache(maxsize=1000)
def _architecture(text: str) -> Architecture:
    return parse_architecture(text)


@lru_cache(maxsize=100)
def _connectivity(text: str) -> Connectivity | None:
    return parse_connectivity(text, "ip_connectivity", "none") if text else None


def _release(spec: TaskSpec) -> Release | None:
    """The release that queues must have. An organisation's releases are in its own repository."""
    if spec.release is None:
        return None
    project, version = spec.release.split("-", 1)
    return Release(project, version, spec.vo or "")


def _container(spec: TaskSpec) -> str:
    """The image that queues must be able to run; empty if the jobs need none."""
    in_search = spec.search.evaluation_container if spec.search else None
    return spec.container_image or in_search or ""


def _files_per_job(spec: TaskSpec, n_files: int) -> int:
    given = spec.inputs[0].n_files_per_job or spec.n_files_per_job
    return min(given or 1, n_files)


def _n_events(session: Session, task: Task, spec: TaskSpec, n_files: int) -> int:
    """The events of the smallest job that the task allows; a file without a count counts as one.

    What the catalogue says of one file is taken for all.
    """
    if spec.n_events_per_job is not None:
        return spec.n_events_per_job
    if not n_files:
        return 1
    found = spec.n_events_per_file or session.connection().execute(
        select(FILE.c.n_events)
        .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .where(DATASET.c.task_id == task.id, DATASET.c.is_primary).limit(1)
    ).scalar()  # fmt: skip
    return int(found or 1) * _files_per_job(spec, n_files)


def _input(session: Session, task: Task) -> tuple[int, float]:
    """Number and size of all input files that the task uses."""
    row = session.connection().execute(
        select(func.coalesce(func.sum(DATASET.c.n_whole_files), 0),
               func.coalesce(func.sum(DATASET.c.size_bytes), 0))
        .where(DATASET.c.task_id == task.id, DATASET.c.kind == str(DatasetKind.INPUT))
    ).one()  # fmt: skip
    return int(row[0]), int(row[1]) / MB


def _input_at(session: Session, task: Task) -> dict[str, InputAt]:
    """What each site holds of the input, on disk and on tape, as it was looked up last."""
    c = DATASET_LOCALITY.c
    rows = session.connection().execute(
        select(SITE.c.name, ENDPOINT.c.is_tape, c.dataset_id, func.max(c.size_bytes),
               func.max(c.n_files))
        .join(ENDPOINT, ENDPOINT.c.id == c.endpoint_id).join(SITE, SITE.c.id == ENDPOINT.c.site_id)
        .where(c.task_id == task.id).group_by(SITE.c.name, ENDPOINT.c.is_tape, c.dataset_id)
    )  # fmt: skip
    found: dict[str, InputAt] = {}
    for site, is_tape, _, size, n_files in rows:
        there = found.get(site, InputAt())
        mb = int(size) / MB
        found[site] = InputAt(
            size_mb=there.size_mb + (0 if is_tape else mb),
            n_files=there.n_files + (0 if is_tape else n_files),
            on_tape_mb=there.on_tape_mb + (mb if is_tape else 0),
        )
    return found


def _nucleus(session: Session, task: Task) -> str | None:
    """The site where the output is gathered."""
    if task.endpoint_id is None:
        return None
    name: str | None = session.connection().execute(
        select(SITE.c.name).join(ENDPOINT, ENDPOINT.c.site_id == SITE.c.id)
        .where(ENDPOINT.c.id == task.endpoint_id)
    ).scalar()  # fmt: skip
    return name


def _preassigned(session: Session, task: Task) -> frozenset[str]:
    """The queue that the task is to fill, while it is online."""
    return frozenset(session.connection().execute(
        select(QUEUE.c.name).join(PREASSIGNMENT, PREASSIGNMENT.c.queue_id == QUEUE.c.id)
        .where(PREASSIGNMENT.c.task_id == task.id, QUEUE.c.status == str(QueueStatus.ONLINE))
    ).scalars())  # fmt: skip
