"""id_counter, lock, schedule_run, wake_up: what the machinery itself keeps."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime


class IdCounter(SQLModel, table=True):
    """The next id of a noun: blocks of ids are taken from it before a bulk insert."""

    __tablename__ = "id_counter"

    noun: str = Field(max_length=32, primary_key=True)
    next_id: int = Field(sa_type=ID)


class Lock(SQLModel, table=True):
    """A lease: who holds this name, and until when by the database's clock."""

    __tablename__ = "lock"

    name: str = Field(max_length=128, primary_key=True)
    owner: str = Field(max_length=128)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class ScheduleRun(SQLModel, table=True):
    """The last run of a daemon flow over all machines."""

    __tablename__ = "schedule_run"

    name: str = Field(max_length=64, primary_key=True)
    owner: str = Field(max_length=128)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    n_runs: int = Field(default=1, sa_type=ID)
    message: str = Field(default="", max_length=1000)


class WakeUp(SQLModel, table=True):
    """How often a topic was woken: on SQLite, waiters compare it with what they saw."""

    __tablename__ = "wake_up"

    topic: str = Field(max_length=32, primary_key=True)
    n: int = Field(default=0, sa_type=ID)
