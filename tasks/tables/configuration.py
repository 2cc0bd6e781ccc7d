"""configuration and configuration_history: thresholds that somebody set, and who did."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class Configuration(SQLModel, table=True):
    """A threshold that is not its default (panda-docs 10). `vo` is empty for all."""

    __tablename__ = "configuration"

    app: str = Field(max_length=64, primary_key=True)
    component: str = Field(max_length=64, primary_key=True)
    key: str = Field(max_length=128, primary_key=True)
    vo: str = Field(default="", max_length=64, primary_key=True)
    value: str = Field(max_length=255)
    type: str = Field(max_length=8)
    description: str = Field(default="", sa_type=Text)
    changed_by: str = Field(max_length=63)
    changed_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})


class ConfigurationHistory(SQLModel, table=True):
    """One change of a threshold. No value: the default, before or after."""

    __tablename__ = "configuration_history"
    __table_args__ = (Index("configuration_history_of", "key", "id"),)

    id: int | None = Field(default=None, sa_type=ID, primary_key=True)
    key: str = Field(max_length=128)
    vo: str = Field(default="", max_length=64)
    old_value: str | None = Field(default=None, max_length=255)
    new_value: str | None = Field(default=None, max_length=255)
    user_name: str = Field(max_length=63)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
