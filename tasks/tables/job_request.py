"""job_request: what somebody asked of a running job, and what came back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now

WAITS = "answered_at IS NULL"


class JobRequest(SQLModel, table=True):
    """A request (`culm.wire.job_requests`): given to the job's pilot until it is answered."""

    __tablename__ = "job_request"
    __table_args__ = (
        Index("job_request_waiting", "job_id", sqlite_where=text(WAITS),
              postgresql_where=text(WAITS)),
    )  # fmt: skip

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    job_id: int = Field(sa_type=ID)
    kind: str = Field(max_length=16)
    path: str = Field(default="", max_length=1024)
    n_lines: int = 20
    user_name: str = Field(max_length=63)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    is_good: bool = False
    answer: str = Field(default="", sa_type=Text)
