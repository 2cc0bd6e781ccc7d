"""What users call their archives: the way from a name, or from a checksum, to a digest."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from tasks.store.moves import database_time
from tasks.tables import CacheFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a client knows of a gzip before it sends it: its own checksum, and its size."""

    crc32: int
    size_bytes: int


def name_file(session: Session, owner: str, name: str, digest: str, content: Content) -> None:
    """Give an archive a name of its owner's; a name that is there means the new one from now on."""
    session.merge(CacheFile(
        owner=owner, name=name, digest=digest, crc32=content.crc32, size_bytes=content.size_bytes,
        created_at=database_time(session),
    ))  # fmt: skip


def digest_of(session: Session, owner: str, name: str) -> str | None:
    """The archive that an owner calls so; None if there is none."""
    row = session.get(CacheFile, (owner, name))
    return None if row is None else row.digest


def digests_of(session: Session, name: str) -> list[str]:
    """The archives that anybody calls so."""
    return list(session.exec(select(CacheFile.digest).where(CacheFile.name == name).distinct()))


def same_content(session: Session, owner: str, content: Content) -> tuple[str, str] | None:
    """Name and digest of this owner's newest archive with this content; None if there is none."""
    return session.exec(
        select(CacheFile.name, CacheFile.digest)
        .where(CacheFile.owner == owner, CacheFile.crc32 == content.crc32,
               CacheFile.size_bytes == content.size_bytes)
        .order_by(col(CacheFile.created_at).desc())
    ).first()  # fmt: skip
