"""site, queue, storage_endpoint, queue_storage, link, queue_statistics: where jobs run and where
files are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import false, true
from sqlmodel import Field, SQLModel

from tasks.statuses import QueueStatus
from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


def _flag(value: bool) -> Any:
    default = true() if value else false()
    return Field(default=value, sa_column_kwargs={"server_default": default})


def _zero() -> Any:
    return Field(default=0, sa_column_kwargs={"server_default": "0"})


class Site(SQLModel, table=True):
    """A computing site; a nucleus can gather the output of tasks that ran elsewhere.

    `down_from` to `down_until` is its next downtime, or the one that it is in.
    """

    __tablename__ = "site"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=63, unique=True)
    is_nucleus: bool = _flag(False)
    down_from: datetime | None = Field(default=None, sa_type=UtcDateTime)
    down_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Queue(SQLModel, table=True):
    """A compute queue of a site; `settings` is one validated JSON document (tasks.queues).

    `declared_status` is what the configurator's document said last: only when it says another
    is the status changed, so that what an operator set stays. None: it is in no such document.
    """

    __tablename__ = "queue"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=63, unique=True)
    site_id: int = Field(foreign_key="site.id")
    status: str = Field(default=QueueStatus.ONLINE, max_length=16)
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=DOCUMENT)
    status_changed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    declared_status: str | None = Field(default=None, max_length=16)


class StorageEndpoint(SQLModel, table=True):
    """A place for files. `url` is the prefix that pilots use: `file:///…`, `https://…`, or a
    path on our own server (`/v1/storage/NAME`), whose files lie under `directory`. `expired_gb`
    are held by copies that may be deleted.
    """

    __tablename__ = "storage_endpoint"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=63, unique=True)
    site_id: int = Field(foreign_key="site.id")
    url: str = Field(max_length=1000)
    directory: str | None = Field(default=None, max_length=1000)
    total_gb: float | None = None
    free_gb: float | None = None
    expired_gb: float | None = None
    is_blacklisted: bool = _flag(False)
    is_tape: bool = _flag(False)


class QueueStorage(SQLModel, table=True):
    """An endpoint that a queue reads from, writes to, or both."""

    __tablename__ = "queue_storage"

    queue_id: int = Field(primary_key=True, foreign_key="queue.id")
    endpoint_id: int = Field(primary_key=True, foreign_key="storage_endpoint.id")
    reads: bool = _flag(True)
    writes: bool = _flag(True)


class Link(SQLModel, table=True):
    """The network from one site to another, as it was measured last."""

    __tablename__ = "link"

    source_id: int = Field(primary_key=True, foreign_key="site.id")
    destination_id: int = Field(primary_key=True, foreign_key="site.id")
    closeness: float | None = None
    is_blocked: bool = False
    n_files_queued: int = 0
    mb_per_second_last_hour: float | None = None
    mb_per_second_last_day: float | None = None
    mb_per_second_last_week: float | None = None
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class QueueStatistics(SQLModel, table=True):
    """What is at a queue, as counted last (tasks.stages.queue_statistics).

    `history_id` is the last move of a job that went into times and means. The mean disk I/O is
    that of a core, over `n_disk_io` jobs that were measured.
    """

    __tablename__ = "queue_statistics"

    queue_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    n_defined: int = 0
    n_assigned: int = 0
    n_activated: int = 0
    n_starting: int = 0
    n_running: int = 0
    n_transferring: int = 0
    n_slots: int = 0
    n_nodes_asking: int = 0
    n_nodes_updating: int = 0
    most_running: int = 0
    most_running_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    mean_run_seconds: float | None = None
    n_runs: int = 0
    disk_io_kb_per_second: float = _zero()
    n_disk_io: int = _zero()
    last_start_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_pilot_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    history_id: int = Field(default=0, sa_type=ID)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
