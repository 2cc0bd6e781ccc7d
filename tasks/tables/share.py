"""global_share: what part of the computing power a kind of work is to get."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class GlobalShare(SQLModel, table=True):
    """A node of the tree of shares; `weight` is its part among its siblings."""

    __tablename__ = "global_share"

    name: str = Field(max_length=64, primary_key=True)
    parent: str | None = Field(default=None, max_length=64)
    weight: float = 1.0
