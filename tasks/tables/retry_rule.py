"""retry_rule: what an operator makes of errors (documentation, 20)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import UtcDateTime, db_now


class RetryRule(SQLModel, table=True):
    """A rule of the retry module; `culm.wire.retry_rules.NewRetryRule` says what it means."""

    __tablename__ = "retry_rule"

    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(max_length=16)
    action: str = Field(max_length=24)
    code: int | None = None
    pattern: str = Field(default="", sa_type=Text)
    max_retries: int | None = None
    active: bool = True
    architecture: str = Field(default="", max_length=255)
    release: str = Field(default="", max_length=255)
    work_queue: str = Field(default="", max_length=64)
    description: str = Field(default="", sa_type=Text)
    changed_by: str = Field(default="", max_length=63)
    changed_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
