"""notice_address and notice: who wants to be told of the end of tasks, and what is to be sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now

WAITS = text("sent_at IS NULL AND given_up_at IS NULL")


class NoticeAddress(SQLModel, table=True):
    """Where a user wants notices: an address of mail, or the URL of a webhook."""

    __tablename__ = "notice_address"
    __table_args__ = (Index("notice_address_of", "user_name", "kind", "target", unique=True),)

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    user_name: str = Field(max_length=63)
    kind: str = Field(max_length=8)
    target: str = Field(max_length=500)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class Notice(SQLModel, table=True):
    """One notice to one address: that a task ended, in this version of it.

    It waits until `sent_at` or `given_up_at`; whoever tries puts `next_try_at` off first, so that
    no other tries meanwhile. What the address was is kept with it.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("notice_once", "task_id", "task_version", "address_id", unique=True),
        Index("notice_due", "next_try_at", sqlite_where=WAITS, postgresql_where=WAITS),
    )  # fmt: skip

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    task_id: int = Field(sa_type=ID)
    task_version: int = Field(sa_type=ID)
    address_id: int = Field(sa_type=ID)
    user_name: str = Field(max_length=63)
    kind: str = Field(max_length=8)
    target: str = Field(max_length=500)
    n_tries: int = 0
    next_try_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    made_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    given_up_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)
