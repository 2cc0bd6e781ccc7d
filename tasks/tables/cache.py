"""cache_file: what a client of PanDA's calls an archive that it sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tasks.tables.columns import ID, UtcDateTime, db_now


class CacheFile(SQLModel, table=True):
    """An archive of the sandbox store under the name that its sender gave it.

    `crc32` and `size_bytes` are what such a client knows of a file before it sends it: the
    checksum in the gzip's own footer, and the size of the gzip.
    """

    __tablename__ = "cache_file"
    __table_args__ = (
        Index("cache_file_content", "owner", "crc32", "size_bytes"),
        Index("cache_file_name", "name"),
    )

    owner: str = Field(max_length=63, primary_key=True)
    name: str = Field(max_length=255, primary_key=True)
    digest: str = Field(max_length=64)
    crc32: int = Field(sa_type=ID)
    size_bytes: int = Field(sa_type=ID)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
