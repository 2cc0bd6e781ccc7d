"""The task withholder: a task that could run only where all is busy or off waits, pending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from broker.withholding import Withholding, why_withheld
from tasks.lifecycles import TaskEvent
from tasks.stages.locality import queues_with_input
from tasks.stages.measured_io import MeasuredIo, measured_io
from tasks.stages.queue_load import queue_states
from tasks.statuses import TaskStatus
from tasks.store.books import Books
from tasks.store.configuration import values
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import DATASET, DATASET_LOCALITY, TASK
from tasks.tables.columns import db_now

PERIOD_SECONDS = 1800.0


def task_withholder(books: Books) -> str:
    """Set tasks pending whose every queue with the input is busy or off; in half an hour they
    are looked at like other pending tasks.
    """
    with books.write() as session:
        found = _why(session)
        hold_tasks(session, found)
        n_held = 0
        for task_id, reason in found.items():
            why = Why("task_withholder", reason)
            later = db_now(PERIOD_SECONDS)
            n_held += len(
                move_tasks(session, [task_id], TaskEvent.HINDERED, why, next_look_at=later)
            )
    return f"{n_held} tasks withheld" if n_held else ""


def _why(session: Session) -> dict[int, str]:
    states, near, now = queue_states(session), queues_with_input(session), values(session)
    tasks, found = _tasks(session), {}
    measured = measured_io(session, [row.id for row in tasks])
    for row in tasks:
        queues = {name: states[name] for name in near.get(row.id, ())}
        limits = now.of(Withholding, activity=row.activity)
        reason = why_withheld(
            row.priority, _io_intensity(row, measured.get(row.id)), queues, limits
        )
        if reason:
            found[row.id] = reason
    return found


def _io_intensity(row: Any, measured: MeasuredIo | None) -> float:
    """What scouts measured; before, the input of a job by the second that it may take. In kB/s."""
    if measured is not None and measured.io_intensity_kb_per_second is not None:
        return measured.io_intensity_kb_per_second
    per_job = (row.n_files_per_job or 1) * float(row.size_bytes) / row.n_files
    return float(per_job / 1000 / row.walltime_seconds)


def _tasks(session: Session) -> Sequence[Any]:
    """Tasks that would be brokered next, with the size of their primary input."""
    size = func.max(DATASET_LOCALITY.c.size_bytes).label("size_bytes")
    n_files = func.max(DATASET_LOCALITY.c.n_files).label("n_files")
    generating = [str(s) for s in (TaskStatus.READY, TaskStatus.SCOUTED, TaskStatus.RUNNING)]
    return session.connection().execute(
        select(TASK.c.id, TASK.c.priority, TASK.c.activity, TASK.c.walltime_seconds,
               DATASET.c.n_files_per_job, size, n_files)
        .join(DATASET, (DATASET.c.task_id == TASK.c.id) & DATASET.c.is_primary)
        .join(DATASET_LOCALITY, DATASET_LOCALITY.c.dataset_id == DATASET.c.id)
        .where(TASK.c.status.in_(generating), DATASET.c.n_files_used < DATASET.c.n_files)
        .group_by(TASK.c.id, TASK.c.priority, TASK.c.activity, TASK.c.walltime_seconds,
                  DATASET.c.id, DATASET.c.n_files_per_job)
    ).all()  # fmt: skip
