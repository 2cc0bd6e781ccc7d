"""command: what somebody told a task to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


class Command(SQLModel, table=True):
    """A command to a task; `done_at` is empty until the command stage took it up.

    `parameters` are what a command changes of the task's specification, by field.
    """

    __tablename__ = "command"
    __table_args__ = (
        Index("command_new", "task_id", sqlite_where=text("done_at IS NULL"),
              postgresql_where=text("done_at IS NULL")),
    )  # fmt: skip

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    task_id: int = Field(sa_type=ID)
    command: str = Field(max_length=16)
    soft: bool = False
    user_name: str = Field(max_length=63)
    reason: str = Field(default="", sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str = Field(default="", sa_type=Text)
    parameters: dict[str, Any] | None = Field(default=None, sa_type=DOCUMENT)
