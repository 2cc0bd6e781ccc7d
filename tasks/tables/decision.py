"""decision and nucleus_decision: the latest brokerages of a task, with every reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


class Decided(SQLModel):
    """What was ranked, with weights, and for each that was rejected the rule and numbers."""

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    cycle: int = 1
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    ranking: list[dict[str, Any]] = Field(sa_type=DOCUMENT)
    rejections: list[dict[str, Any]] = Field(sa_type=DOCUMENT)


class Decision(Decided, table=True):
    """Job brokerage: the queues for a task's jobs."""

    __tablename__ = "decision"


class NucleusDecision(Decided, table=True):
    """Task brokerage: the nuclei for a task's output.

    The first of the ranking gathers it; without one the task waits.
    """

    __tablename__ = "nucleus_decision"
