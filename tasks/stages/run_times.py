"""How long the jobs of a task are expected to run: what scouts measured, or what was declared.

A wall time that is the default was not declared: nothing is known then.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Float, case, cast, func, select
from sqlmodel import Session

from broker.order import STRETCH
from tasks.store.tables import SCOUTING, TASK
from tasks.tables import Task
from tasks.tables.columns import unix_seconds

_DEFAULT_WALLTIME = Task.model_fields["walltime_seconds"].default
_DECLARED = case((TASK.c.walltime_seconds < _DEFAULT_WALLTIME, TASK.c.walltime_seconds), else_=0)
_MEASURED = (
    select(SCOUTING.c.lesson["wall_seconds"].as_float())
    .where(SCOUTING.c.task_id == TASK.c.id).scalar_subquery()
)  # fmt: skip
EXPECTED: ColumnElement[float] = func.coalesce(_MEASURED, cast(_DECLARED, Float))
"""Seconds; 0: not known."""
DUE: ColumnElement[float] = unix_seconds(TASK.c.created_at) + STRETCH * EXPECTED
"""`broker.order.due_at` as SQL has it: the earliest is served first."""


def expected_run_seconds(session: Session, task: Task) -> float:
    """How long a job of this task is expected to run; 0: not known."""
    found = session.connection().execute(select(EXPECTED).where(TASK.c.id == task.id)).scalar()
    return float(found or 0.0)
