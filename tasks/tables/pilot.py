"""pilot and worker_target: the agents on worker nodes, and how many more there should be."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from tasks.statuses import PilotStatus
from tasks.tables.columns import ID, UtcDateTime, db_now


class Pilot(SQLModel, table=True):
    """A pilot and what its node has."""

    __tablename__ = "pilot"

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    queue_id: int = Field(foreign_key="queue.id")
    host: str = Field(max_length=255)
    process_id: int = Field(sa_type=ID)
    version: str = Field(max_length=64)
    slots: int = 1
    core_count: int = 1
    memory_mb: int = Field(default=2000, sa_type=ID)
    disk_mb: int = Field(default=10_000, sa_type=ID)
    status: str = Field(default=PilotStatus.ACTIVE, max_length=16)
    started_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    last_heard_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class WorkerTarget(SQLModel, table=True):
    """How many workers of a resource type whoever serves a queue should start next.

    Every job of the type that waits there fits into a worker of this size. Those that somebody
    said to start are taken off (`tasks.stages.pilot_streaming.take_workers`).
    """

    __tablename__ = "worker_target"

    queue_id: int = Field(primary_key=True)
    resource_type: str = Field(max_length=32, primary_key=True)
    n_workers: int
    core_count: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    memory_mb: int = Field(default=2000, sa_type=ID, sa_column_kwargs={"server_default": "2000"})
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
