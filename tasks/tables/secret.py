"""secret and secret_use: users' secrets as ciphertext, and what was done with them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class Secret(SQLModel, table=True):
    """A secret of a user: `sealed` can be opened with the key `key_id`, which is not in here."""

    __tablename__ = "secret"

    owner: str = Field(max_length=63, primary_key=True)
    name: str = Field(max_length=255, primary_key=True)
    is_file: bool = False
    key_id: str = Field(max_length=64)
    sealed: bytes
    size_bytes: int
    modified_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class SecretUse(SQLModel, table=True):
    """A secret was set, shown or deleted, or a job got all of its user's. Never holds a value."""

    __tablename__ = "secret_use"
    __table_args__ = (Index("secret_use_of_owner", "owner", "id"),)

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    owner: str = Field(max_length=63)
    event: str = Field(max_length=16)
    name: str = Field(default="", max_length=255)
    job_id: int | None = Field(default=None, sa_type=ID)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
