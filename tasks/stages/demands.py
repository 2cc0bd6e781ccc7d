"""What the jobs of a task need: its row, its specification, and where its input is."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from broker.values import Demand, InputAt
from culm.wire.task_spec import TaskSpec
from tasks.stages.builds import failed_builds
from tasks.statuses import DatasetKind, QueueStatus
from tasks.store.tables import (
    CATALOG_DATASET,
    DATASET,
    DATASET_LOCALITY,
    ENDPOINT,
    PREASSIGNMENT,
    QUEUE,
    SITE,
)
from tasks.tables import Task

MB = 1e6


def demand_of(session: Session, task: Task, spec: TaskSpec) -> Demand:
    """What the task's jobs need, and where they are wanted."""
    n_files, size_mb = _input(session, task) if spec.inputs else (0, 0.0)
    per_job_mb = size_mb / n_files * _files_per_job(spec, n_files) if n_files else 0.0
    return Demand(
        core_count=task.core_count, memory_mb=task.memory_mb, disk_mb=task.disk_mb,
        walltime_seconds=task.walltime_seconds, priority=task.priority, share=task.share_name,
        processing_type=spec.processing_type or "", working_group=task.working_group,
        site=spec.site, excluded_sites=frozenset(spec.excluded_sites),
        failed_builds=failed_builds(session, task.id) if spec.build_command else {},
        nucleus=_nucleus(session, task),
        preassigned_queues=frozenset() if spec.site else _preassigned(session, task),
        input_mb=per_job_mb, total_input_mb=size_mb, n_input_files=n_files,
        input_at=_input_at(session, task) if n_files else {},
        io_intensity_kb_per_second=1000 * per_job_mb / task.walltime_seconds,
    )  # fmt: skip


def _files_per_job(spec: TaskSpec, n_files: int) -> int:
    given = spec.inputs[0].n_files_per_job or spec.n_files_per_job
    return min(given or 1, n_files)


def _input(session: Session, task: Task) -> tuple[int, float]:
    """Number and size of all input files, as the catalogue has them."""
    row = session.connection().execute(
        select(func.coalesce(func.sum(CATALOG_DATASET.c.n_files), 0),
               func.coalesce(func.sum(CATALOG_DATASET.c.size_bytes), 0))
        .join(DATASET, DATASET.c.name == CATALOG_DATASET.c.name)
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
