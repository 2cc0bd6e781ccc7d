"""task_scouting: what the first jobs of a task taught, and what it asks for since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


class TaskScouting(SQLModel, table=True):
    """How far a task's scouting is (`tasks.stages.scout`).

    `phase`: scouting, scouted (the scouts were looked at, or skipped by `avalanche`
    or `release`), settled
    (the first jobs after them too). Scouts are the jobs with `n_scouts` sequence numbers from
    `first_sequence_nr` on. The next look is due when `look_at_finished` jobs have finished.
    `asked` is `tasks.scouting.Asked`, now in force; `lesson` is `Lesson`.
    """

    __tablename__ = "task_scouting"
    __table_args__ = (Index("task_scouting_phase", "phase", "task_id"),)

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    phase: str = Field(max_length=16)
    n_scouts: int = 0
    first_sequence_nr: int = Field(default=0, sa_type=ID)
    look_at_finished: int = Field(default=0, sa_type=ID)
    asked: dict[str, Any] = Field(sa_type=DOCUMENT)
    lesson: dict[str, Any] = Field(sa_type=DOCUMENT)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
