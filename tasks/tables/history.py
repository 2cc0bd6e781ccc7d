"""status_history and refused_report: who moved what, when and why; and who was not let."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class StatusHistory(SQLModel, table=True):
    """One move of a task's or job's status."""

    __tablename__ = "status_history"
    __table_args__ = (Index("history_of", "noun", "entity_id", "id"),)

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    noun: str = Field(max_length=8)
    entity_id: int = Field(sa_type=ID)
    event: str = Field(max_length=32)
    from_status: str = Field(max_length=16)
    to_status: str = Field(max_length=16)
    actor: str = Field(max_length=128)
    reason: str = Field(default="", sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class RefusedReport(SQLModel, table=True):
    """A pilot's report that was not taken: old attempt, ended job, or another pilot's."""

    __tablename__ = "refused_report"
    __table_args__ = (Index("refused_of_job", "job_id"),)

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    job_id: int = Field(sa_type=ID)
    attempt_nr: int
    pilot_id: int = Field(sa_type=ID)
    state: str = Field(max_length=16)
    reason: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
