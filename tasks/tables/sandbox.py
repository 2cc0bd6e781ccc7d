"""sandbox: users' files for their jobs, by digest."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class Sandbox(SQLModel, table=True):
    """An archive in the sandbox store; its name is the SHA-256 of its bytes."""

    __tablename__ = "sandbox"

    digest: str = Field(max_length=64, primary_key=True)
    size_bytes: int = Field(sa_type=ID)
    owner: str = Field(max_length=63)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    used_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
