"""global_share, share_rule, resource_type, share_statistics: who is to get what, and who has it."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class GlobalShare(SQLModel, table=True):
    """A node of the tree of shares; `weight` is its part among its siblings."""

    __tablename__ = "global_share"

    name: str = Field(max_length=64, primary_key=True)
    parent: str | None = Field(default=None, max_length=64)
    weight: float = 1.0


class ShareRule(SQLModel, table=True):
    """A row of the tagging table: regular expressions for attributes, in order of `id`."""

    __tablename__ = "share_rule"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    share_name: str = Field(max_length=64)
    vo: str = Field(default="", max_length=255)
    activity: str = Field(default="", max_length=255)
    working_group: str = Field(default="", max_length=255)
    processing_type: str = Field(default="", max_length=255)
    campaign: str = Field(default="", max_length=255)
    user: str = Field(default="", max_length=255, sa_column_kwargs={"name": "user_name"})


class ResourceType(SQLModel, table=True):
    """What jobs need, in kinds: bounds of cores and of memory a core, both ends included."""

    __tablename__ = "resource_type"

    name: str = Field(max_length=32, primary_key=True)
    min_cores: int = 1
    max_cores: int | None = None
    min_memory_mb_per_core: int = 0
    max_memory_mb_per_core: int | None = None


class ShareStatistics(SQLModel, table=True):
    """Jobs and computing power by share, resource type and queue, counted every minute.

    Job generation adds what it writes, so that nobody generates twice from an old count.
    """

    __tablename__ = "share_statistics"

    share_name: str = Field(max_length=64, primary_key=True)
    resource_type: str = Field(max_length=32, primary_key=True)
    queue_id: int = Field(primary_key=True)
    n_queued: int = Field(default=0, sa_type=ID)
    n_running: int = Field(default=0, sa_type=ID)
    queued_hs06: float = 0.0
    used_hs06: float = 0.0
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
