"""dataset: one collection of files that a task reads or writes."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.statuses import DatasetStatus
from tasks.tables.columns import ID


class Dataset(SQLModel, table=True):
    """A dataset as one task uses it.

    `is_primary` marks the stream whose every file is processed exactly once. `local_name` is
    the name or pattern of an output in the job's directory. The counters equal the sums over
    the dataset's file rows (invariant I5) and change in the same transactions:
    `n_files_used` counts the files that are no longer ready. `n_whole_files` and `size_bytes`
    are those of an input, each file counted once, however many ranges of events it was cut into.
    """

    __tablename__ = "dataset"
    __table_args__ = (
        Index("dataset_of_task", "task_id", "name", "kind", "stream", unique=True),
        Index("dataset_name", "name"),
    )

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    task_id: int = Field(sa_type=ID, foreign_key="task.id")
    name: str = Field(max_length=255)
    kind: str = Field(max_length=16)
    stream: str = Field(default="", max_length=32)
    is_primary: bool = False
    status: str = Field(default=DatasetStatus.DEFINED, max_length=16)
    local_name: str = Field(default="", max_length=255)
    n_files_per_job: int | None = None
    n_files: int = 0
    n_files_used: int = 0
    n_files_finished: int = 0
    n_files_failed: int = 0
    n_whole_files: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    size_bytes: int = Field(default=0, sa_type=ID, sa_column_kwargs={"server_default": "0"})
