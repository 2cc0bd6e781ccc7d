"""rest: queues and nodes that get no work for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import UtcDateTime


class Rest(SQLModel, table=True):
    """A queue (`node` empty) or one of its nodes rests until then, and why."""

    __tablename__ = "rest"

    queue_id: int = Field(primary_key=True, foreign_key="queue.id")
    node: str = Field(default="", max_length=255, primary_key=True)
    until: datetime = Field(sa_type=UtcDateTime)
    reason: str = Field(sa_type=Text)
