"""job, job_file and job_metadata: one attempt on one worker slot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from tasks.statuses import JobKind
from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now

FINAL = "('finished', 'failed', 'closed', 'cancelled')"
SERVING = "('build', 'merge')"
"""Kinds of job that process no input themselves: there are few of them."""


def _partial(name: str, *columns: Any, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Job(SQLModel, table=True):
    """A job: one attempt. A final row never changes; what must run again is a new job.

    `attempt_nr` is the fence: it rises along `retry_of`, every report carries it.
    `report_nr` is the last report's number; `request_key` the work request that got the job.
    `reported_state` keeps what the pilot's final report said until collect settles it.
    `kind` is a `tasks.statuses.JobKind`.
    """

    __tablename__ = "job"
    __table_args__ = (
        _partial("job_waiting", "queue_id", "share_name", text("priority DESC"), "id",
                 where="status = 'activated'"),
        _partial("job_active", "task_id", "status", where=f"status NOT IN {FINAL}"),
        _partial("job_to_settle", "task_id", "id", where="status = 'holding'"),
        _partial("job_leased", "lease_expires_at", where="lease_expires_at IS NOT NULL"),
        _partial("job_of_pilot", "pilot_id", "request_key", where="lease_expires_at IS NOT NULL"),
        _partial("job_of_kind", "task_id", "id", where=f"kind IN {SERVING}"),
        Index("job_of_task", "task_id", "id"),
    )  # fmt: skip

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    task_id: int = Field(sa_type=ID)
    attempt_nr: int = 1
    retry_of: int | None = Field(default=None, sa_type=ID)
    kind: str = Field(default=JobKind.RUN, max_length=16)
    status: str = Field(max_length=16)
    queue_id: int
    share_name: str = Field(default="default", max_length=64)
    resource_type: str = Field(default="SCORE", max_length=32)
    priority: int = 1000
    core_count: int = 1
    memory_mb: int = 2000
    disk_mb: int = Field(default=10_000, sa_type=ID)
    walltime_seconds: int = 86_400
    serial_nr: int = Field(default=1, sa_type=ID)
    sequence_nr: int = Field(default=0, sa_type=ID)
    first_event: int = Field(default=0, sa_type=ID)
    max_events: int = Field(default=-1, sa_type=ID)
    skip_events: int = Field(default=0, sa_type=ID)
    pilot_id: int | None = Field(default=None, sa_type=ID)
    request_key: str | None = Field(default=None, max_length=64)
    node: str = Field(default="", max_length=255)
    lease_expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    report_nr: int = 0
    kill_reason: str = Field(default="", max_length=500)
    reported_state: str = Field(default="", max_length=16)
    exit_code: int | None = None
    pilot_error_code: int = 0
    pilot_error_diag: str = Field(default="", sa_type=Text)
    server_error_code: int = 0
    server_error_diag: str = Field(default="", sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    modified_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class JobFile(SQLModel, table=True):
    """A file as one job attempt has it. Outputs get size and checksum from the final report."""

    __tablename__ = "job_file"
    __table_args__ = ({"sqlite_with_rowid": False},)

    job_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    file_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    dataset_id: int = Field(sa_type=ID)
    kind: str = Field(max_length=16)
    size_bytes: int | None = Field(default=None, sa_type=ID)
    adler32: str | None = Field(default=None, max_length=8)


class JobMetadata(SQLModel, table=True):
    """What an ended job left: measurements, its last lines, the user's own metadata (JSON).

    `result` is the text of the file that the job was to leave for the server.
    """

    __tablename__ = "job_metadata"

    job_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    metrics: dict[str, Any] | None = Field(default=None, sa_type=DOCUMENT)
    output_tail: str = Field(default="", sa_type=Text)
    user_metadata: str | None = Field(default=None, sa_type=Text)
    result: str | None = Field(default=None, sa_type=Text)
