"""dataset_locality and preassignment: where input is, and which queue a task is to fill."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class DatasetLocality(SQLModel, table=True):
    """How much of an input dataset of a task is at an endpoint."""

    __tablename__ = "dataset_locality"

    dataset_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    endpoint_id: int = Field(primary_key=True)
    task_id: int = Field(sa_type=ID)
    n_files: int
    size_bytes: int = Field(sa_type=ID)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})

    __table_args__ = (Index("locality_of_task", "task_id"),)


class Preassignment(SQLModel, table=True):
    """A task whose jobs go to one queue for now, because that queue is empty."""

    __tablename__ = "preassignment"

    task_id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    queue_id: int
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
