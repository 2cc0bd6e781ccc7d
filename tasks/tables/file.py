"""file: the master copy of one file of a task's dataset."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID


class File(SQLModel, table=True):
    """One file of a dataset as a task uses it: each job attempt has a copy in `job_file`.

    A file split by events is one row a range (`start_event`, `n_events`). `attempt_nr` counts
    the jobs that had it; `n_failed` those that spent one of the owner's attempts, `n_lost`
    those that failed for the system's reasons. `job_id` is the last job that had it.
    """

    __tablename__ = "file"
    __table_args__ = (
        Index("file_of_dataset", "dataset_id", "lfn", "start_event", unique=True),
        Index("file_by_status", "dataset_id", "status", "id"),
    )

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    dataset_id: int = Field(sa_type=ID)
    lfn: str = Field(max_length=255)
    status: str = Field(max_length=16)
    size_bytes: int | None = Field(default=None, sa_type=ID)
    adler32: str | None = Field(default=None, max_length=8)
    n_events: int | None = Field(default=None, sa_type=ID)
    start_event: int = Field(default=0, sa_type=ID)
    attempt_nr: int = 0
    n_failed: int = 0
    n_lost: int = 0
    max_attempts: int = 3
    job_id: int | None = Field(default=None, sa_type=ID)
    catalog_file_id: int | None = Field(default=None, sa_type=ID)
