"""task and task_parameters: the unit of workload for one scientific objective."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from tasks.statuses import TaskStatus
from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now

FINAL = "('done', 'finished', 'failed', 'exhausted', 'aborted', 'broken')"


class Task(SQLModel, table=True):
    """A task. `version` rises with every change that somebody who watches may care about.

    `next_look_at` holds a hindered task back until then; `input_open` says that more input may
    come and `feed_at` when to look for it. `next_serial_nr` numbers output files,
    `next_sequence_nr` jobs (a retry keeps its predecessor's), `next_event_nr` events. `merge_at`
    says when to look whether output can be merged.
    `is_search`: its input are the points of a hyperparameter search (`tasks.tables.search`).
    """

    __tablename__ = "task"
    __table_args__ = (
        Index("task_key", "user_name", "idempotency_key", unique=True),
        Index("task_alive", "status", "id", sqlite_where=text(f"status NOT IN {FINAL}"),
              postgresql_where=text(f"status NOT IN {FINAL}")),
        Index("task_owner", "user_name", "id"),
        Index("task_name", "user_name", "name"),
        Index("task_parent", "parent_task_id"),
    )  # fmt: skip

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(max_length=255)
    user_name: str = Field(max_length=63)
    idempotency_key: str = Field(max_length=64)
    status: str = Field(default=TaskStatus.REGISTERED, max_length=16)
    reason: str = Field(default="", sa_type=Text)
    version: int = Field(default=1, sa_type=ID)
    share_name: str = Field(default="default", max_length=64)
    resource_type: str = Field(default="SCORE", max_length=32)
    activity: str = Field(default="user", max_length=32)
    working_group: str = Field(default="", max_length=63)
    priority: int = 1000
    parent_task_id: int | None = Field(default=None, sa_type=ID)
    input_open: bool = False
    is_search: bool = False
    core_count: int = 1
    memory_mb: int = 2000
    disk_mb: int = Field(default=10_000, sa_type=ID)
    walltime_seconds: int = 86_400
    max_attempts: int = 3
    endpoint_id: int | None = None
    next_serial_nr: int = Field(default=1, sa_type=ID)
    next_sequence_nr: int = Field(default=0, sa_type=ID)
    next_event_nr: int = Field(default=0, sa_type=ID)
    next_look_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    feed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    merge_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    modified_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class TaskParameters(SQLModel, table=True):
    """The document as submitted: a TaskSpec, and the SHA-256 of its bytes."""

    __tablename__ = "task_parameters"

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    document: dict[str, Any] = Field(sa_type=DOCUMENT)
    digest: str = Field(max_length=64)


class TaskOriginal(SQLModel, table=True):
    """A task in the words of the client that submitted it, where those are not a TaskSpec."""

    __tablename__ = "task_original"

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    document: dict[str, Any] = Field(sa_type=DOCUMENT)
