"""Users' files for their jobs, kept by the digest that the server makes itself."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from culm.core import archives, names
from culm.core.errors import ChecksumMismatch, FieldFault, InvalidRequest
from server.storage import Draft, present, received, settle
from tasks.store.books import Books
from tasks.tables import Sandbox
from tasks.tables.columns import db_now

_TABLE = Sandbox.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class SandboxStore:
    """The archives of one folder and their rows in the books."""

    folder: Path
    books: Books

    async def put(self, digest: str, blocks: AsyncIterable[bytes], owner: str) -> bool:
        """Keep an archive; False if it was there already. Nothing is kept of a bad one.

        Raises:
            ChecksumMismatch: its bytes have another digest.
            UnsafeArchive, TooLarge: it is not fit to be unpacked.
        """
        check_digest(digest)
        async with received(self.folder, blocks) as draft:
            if draft.sha256 != digest:
                raise ChecksumMismatch(f"SHA-256 of the bytes is {draft.sha256}, not {digest}")
            return await run_in_threadpool(self._keep, draft, owner)

    async def keep(self, blocks: AsyncIterable[bytes], owner: str) -> str:
        """Keep an archive whose digest its sender does not know; gives the digest.

        Raises:
            UnsafeArchive, TooLarge: it is not fit to be unpacked.
        """
        async with received(self.folder, blocks) as draft:
            await run_in_threadpool(self._keep, draft, owner)
            return draft.sha256

    def path(self, digest: str) -> Path:
        """Where an archive lies: in one of 256 folders, so that none grows too long."""
        return self.folder / digest[:2] / digest

    def file(self, digest: str) -> Path:
        """The archive's file.

        Raises:
            NotFound: there is none of this digest.
        """
        check_digest(digest)
        return present(self.path(digest), "sandbox")

    def _keep(self, draft: Draft, owner: str) -> bool:
        archives.check(draft.path)
        # The file first: a row without its file would promise what is not there.
        settle(draft, self.path(draft.sha256))
        try:
            with self.books.write() as session:
                return _note(session, draft, owner)
        except IntegrityError:
            return False  # the same archive came twice at once; the other one's row is as good


def check_digest(digest: str) -> None:
    """Nothing, if this is a SHA-256.

    Raises:
        InvalidRequest: it is not; it never becomes part of a path.
    """
    if not names.DIGEST.fullmatch(digest):
        fault = FieldFault("digest", ascii(digest)[:80], "a SHA-256 in lower-case hexadecimal")
        raise InvalidRequest("this is no digest", faults=[fault])


def _note(session: Session, draft: Draft, owner: str) -> bool:
    """Write the row, or note that the one that is there was used; True if it is new."""
    mine = (_TABLE.c.digest == draft.sha256,)
    used = update(_TABLE).where(*mine).values(used_at=db_now())
    if session.connection().execute(used).rowcount:
        return False
    values = {"digest": draft.sha256, "size_bytes": draft.size_bytes, "owner": owner}
    session.connection().execute(insert(_TABLE).values(**values))
    return True
