"""catalog_dataset, catalog_file, replica: our own catalogue of data over local storage."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class CatalogDataset(SQLModel, table=True):
    """A named collection of files. `task_id` is the task that writes it, if one does."""

    __tablename__ = "catalog_dataset"

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(max_length=255, unique=True)
    owner: str = Field(max_length=63)
    is_open: bool = True
    task_id: int | None = Field(default=None, sa_type=ID)
    n_files: int = 0
    size_bytes: int = Field(default=0, sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class CatalogFile(SQLModel, table=True):
    """A file of a dataset: what its bytes are."""

    __tablename__ = "catalog_file"
    __table_args__ = (Index("catalog_file_name", "dataset_id", "lfn", unique=True),)

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    dataset_id: int = Field(sa_type=ID)
    lfn: str = Field(max_length=255)
    size_bytes: int = Field(sa_type=ID)
    adler32: str = Field(max_length=8)
    n_events: int | None = Field(default=None, sa_type=ID)


class Replica(SQLModel, table=True):
    """Where a copy of a file is: a path under an endpoint, or a URL of its own."""

    __tablename__ = "replica"
    __table_args__ = ({"sqlite_with_rowid": False},)

    catalog_file_id: int = Field(
        sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    endpoint_id: int = Field(default=0, primary_key=True)
    """0: the path is a whole URL."""
    path: str = Field(max_length=1000)
