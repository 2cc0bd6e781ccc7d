"""search and search_point: hyperparameter searches and the points that they try."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now


class Search(SQLModel, table=True):
    """A task that is a search.

    `seed` is what its points are drawn with. `problem` says why it ended before its time.
    `n_jobs_before` counts the evaluation jobs that it had when it was retried last: they do not
    count against its limit any more. `seen_version` is the task's version that steering saw.
    """

    __tablename__ = "search"

    task_id: int = Field(sa_type=ID, primary_key=True, foreign_key="task.id")
    seed: int = Field(sa_type=ID)
    problem: str = Field(default="", sa_type=Text)
    n_jobs_before: int = 0
    seen_version: int = Field(default=0, sa_type=ID)
    looked_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class SearchPoint(SQLModel, table=True):
    """A point: a primary file of the task, with its place in the space.

    `point_nr` counts a segment's points from 1. `loss` is None until it was evaluated;
    `is_hopeless` marks a very large one that stands for tries that all failed. `message` says
    what the last try that failed by itself failed of. `checkpoint_…` tell of the last file that
    an attempt saved.
    """

    __tablename__ = "search_point"
    __table_args__ = (Index("search_point_nr", "task_id", "segment", "point_nr", unique=True),)

    file_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    task_id: int = Field(sa_type=ID)
    segment: str = Field(default="", max_length=63)
    point_nr: int
    parameters: dict[str, Any] = Field(sa_type=DOCUMENT)
    loss: float | None = None
    is_hopeless: bool = False
    message: str = Field(default="", sa_type=Text)
    job_id: int | None = Field(default=None, sa_type=ID)
    evaluated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    checkpoint_name: str = Field(default="", max_length=128)
    checkpoint_bytes: int = Field(default=0, sa_type=ID)
    checkpoint_adler32: str = Field(default="", max_length=8)
