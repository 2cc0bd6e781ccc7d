"""build: what a task builds at each queue, for the run jobs there."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID


class Build(SQLModel, table=True):
    """The build of a task at a queue: one at most, whoever asks for it.

    `job_id` is the latest build job. `lib_file_id` is the lib file, once it is there; `reason`
    says why there will be none. While both are empty, the run jobs of that queue are `defined`.
    `n_failed` and `n_lost` count failures as a file's do.
    """

    __tablename__ = "build"

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    queue_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    job_id: int = Field(sa_type=ID)
    lib_file_id: int | None = Field(default=None, sa_type=ID)
    reason: str = Field(default="", sa_type=Text)
    n_failed: int = 0
    n_lost: int = 0
