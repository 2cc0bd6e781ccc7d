"""user and revoked_token: who has been here, and whose token is worth nothing any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import UtcDateTime, db_now


class User(SQLModel, table=True):
    """Somebody who submitted something, or whom an identity provider vouched for.

    A provider's account (`issuer`, `subject`) has one name here, and a name one account.
    """

    __tablename__ = "user_account"

    name: str = Field(max_length=63, primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    issuer: str | None = Field(default=None, max_length=255)
    subject: str | None = Field(default=None, max_length=255)
    __table_args__ = (Index("user_account_of_provider", "issuer", "subject", unique=True),)


class RevokedToken(SQLModel, table=True):
    """A token, by its id (`jti`), that is refused before it expires."""

    __tablename__ = "revoked_token"

    token_id: str = Field(max_length=64, primary_key=True)
    reason: str = Field(default="", max_length=500)
    at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
