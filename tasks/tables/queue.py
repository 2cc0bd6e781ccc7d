"""site, queue, storage_endpoint, queue_storage: where jobs run and where files are."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field, SQLModel

from tasks.statuses import QueueStatus
from tasks.tables.columns import DOCUMENT


class Site(SQLModel, table=True):
    """A computing site."""

    __tablename__ = "site"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=63, unique=True)


class Queue(SQLModel, table=True):
    """A compute queue of a site; `settings` is one validated JSON document (tasks.queues)."""

    __tablename__ = "queue"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=63, unique=True)
    site_id: int = Field(foreign_key="site.id")
    status: str = Field(default=QueueStatus.ONLINE, max_length=16)
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=DOCUMENT)


class StorageEndpoint(SQLModel, table=True):
    """A place for files. `url` is the prefix that pilots use: `file:///…`, `https://…`, or a
    path on our own server (`/v1/storage/NAME`), whose files lie under `directory`.
    """

    __tablename__ = "storage_endpoint"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=63, unique=True)
    site_id: int = Field(foreign_key="site.id")
    url: str = Field(max_length=1000)
    directory: str | None = Field(default=None, max_length=1000)


class QueueStorage(SQLModel, table=True):
    """Which endpoint a queue writes to and reads from."""

    __tablename__ = "queue_storage"

    queue_id: int = Field(primary_key=True, foreign_key="queue.id")
    endpoint_id: int = Field(primary_key=True, foreign_key="storage_endpoint.id")
