"""harvester, harvester_worker, harvester_count, harvester_message: what PanDA's harvesters tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


class Harvester(SQLModel, table=True):
    """An instance, the owner of the token that it first came with, and what it says of itself."""

    __tablename__ = "harvester"

    name: str = Field(max_length=50, primary_key=True)
    owner: str = Field(max_length=63)
    details: dict[str, Any] = Field(default_factory=dict, sa_type=DOCUMENT)
    last_heard_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class HarvesterWorker(SQLModel, table=True):
    """A worker (a batch job with a pilot) of an instance; `details` is all that was told of it."""

    __tablename__ = "harvester_worker"

    harvester: str = Field(max_length=50, primary_key=True)
    worker_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    queue_name: str = Field(max_length=63)
    status: str = Field(max_length=32)
    details: dict[str, Any] = Field(default_factory=dict, sa_type=DOCUMENT)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class HarvesterCount(SQLModel, table=True):
    """How many workers of a queue are in which status, by job type and resource type."""

    __tablename__ = "harvester_count"

    harvester: str = Field(max_length=50, primary_key=True)
    queue_name: str = Field(max_length=63, primary_key=True)
    counts: dict[str, Any] = Field(default_factory=dict, sa_type=DOCUMENT)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class HarvesterMessage(SQLModel, table=True):
    """A dialog message or a set of service metrics; kept for a month."""

    __tablename__ = "harvester_message"
    __table_args__ = (Index("harvester_message_of", "harvester", "id"),)

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    harvester: str = Field(max_length=50)
    kind: str = Field(max_length=16)
    level: str = Field(default="", max_length=16)
    text: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
