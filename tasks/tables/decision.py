"""decision: the latest brokerage of a task, with every reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


class Decision(SQLModel, table=True):
    """Queues by rank with their weights, and for each rejected queue the rule and numbers."""

    __tablename__ = "decision"

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    cycle: int = 1
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    ranking: list[dict[str, Any]] = Field(sa_type=DOCUMENT)
    rejections: list[dict[str, Any]] = Field(sa_type=DOCUMENT)
