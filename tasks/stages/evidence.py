"""What pilots measured of a task's finished jobs, in bulk."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from tasks.queues import queue_settings
from tasks.scouting import Scout
from tasks.stages.settle import PRIMARY, WRITTEN
from tasks.statuses import JobKind, JobStatus
from tasks.store.bulk import id_in
from tasks.store.tables import FILE, JOB, JOB_FILE, METADATA, QUEUE

PROCESSING = (str(JobKind.RUN), str(JobKind.SCOUT))
"""The kinds of job that process input."""
_DONE = (str(JobStatus.FINISHED), str(JobStatus.MERGING))
MOST = 200
"""So many jobs tell enough; more would only take time."""


def evidence(session: Session, task_id: int, first_sequence_nr: int = 0) -> list[Scout]:
    """The first finished jobs with these sequence numbers or higher, with their measurements."""
    rows = session.connection().execute(
        select(JOB.c.id, JOB.c.core_count, METADATA.c.metrics, QUEUE.c.name, QUEUE.c.settings)
        .join(METADATA, METADATA.c.job_id == JOB.c.id)
        .join(QUEUE, QUEUE.c.id == JOB.c.queue_id)
        .where(JOB.c.task_id == task_id, JOB.c.status.in_(_DONE),
               JOB.c.sequence_nr >= first_sequence_nr, JOB.c.kind.in_(PROCESSING))
        .order_by(JOB.c.id).limit(MOST)
    ).all()  # fmt: skip
    ids = [row.id for row in rows]
    events, sizes = _events(session, ids), _output_mb(session, ids)
    return [_scout(row, events.get(row.id, 1), sizes.get(row.id, 0.0)) for row in rows]


def _events(session: Session, job_ids: list[int]) -> dict[int, int]:
    """The events of each job's primary input; a file without a count counts as one."""
    rows = session.connection().execute(
        select(JOB_FILE.c.job_id, func.sum(func.coalesce(FILE.c.n_events, 1)))
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(PRIMARY),
               FILE.c.job_id == JOB_FILE.c.job_id)
        .group_by(JOB_FILE.c.job_id)
    )  # fmt: skip
    return {row[0]: int(row[1]) for row in rows}


def _output_mb(session: Session, job_ids: list[int]) -> dict[int, float]:
    rows = session.connection().execute(
        select(JOB_FILE.c.job_id, func.sum(func.coalesce(JOB_FILE.c.size_bytes, 0)))
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(WRITTEN))
        .group_by(JOB_FILE.c.job_id)
    )  # fmt: skip
    return {row[0]: float(row[1]) / 1e6 for row in rows}


_SAME = (
    "wall_seconds", "cpu_seconds", "max_pss_mb", "work_dir_mb", "input_mb", "read_mb", "write_mb",
)  # fmt: skip


def _scout(row: Any, n_events: int, output_mb: float) -> Scout:
    metrics = row.metrics or {}
    leak = metrics.get("leak_kb_per_second")
    return Scout(
        job_id=row.id,
        # What the pilot counted is what was processed; without that, what was given.
        n_events=int(metrics.get("n_events") or n_events),
        core_count=row.core_count,
        core_power=queue_settings(row.settings, row.name).core_power,
        output_mb=output_mb,
        leak_kb_per_second=None if leak is None else float(leak),
        **{name: float(metrics.get(name, 0.0)) for name in _SAME},
    )
