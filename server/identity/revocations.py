"""Tokens taken back before their time: a table of the books, read every few seconds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, insert
from sqlmodel import Session, select

from culm.core.errors import CulmError
from tasks.store.books import Books
from tasks.tables import RevokedToken

log = logging.getLogger(__name__)

RELOAD_SECONDS = 10.0
"""How long a token that was taken back may still open doors (security.md 18 allows 60 s)."""
_OF_SUBJECT = "of:"
_TABLE = RevokedToken.__table__  # type: ignore[attr-defined]


class Revocations:
    """The list as it was read last; whoever owns this calls `refresh`."""

    def __init__(self) -> None:
        self._at: Mapping[str, datetime] = {}

    def covers(self, token_id: str, subject: str, issued_at: float) -> bool:
        """Whether this token was taken back, by its id or with all of its owner's."""
        if token_id in self._at:
            return True
        until = self._at.get(_key(subject))
        return until is not None and issued_at <= until.timestamp()

    def refresh(self, books: Books) -> None:
        """Read the list; where the database does not answer, the last one stays in force."""
        try:
            with books.read() as session:
                rows = session.exec(select(RevokedToken.token_id, RevokedToken.at)).all()
        except CulmError as error:
            log.warning("revocations could not be read again", extra={"reason": error.message})
        else:
            self._at = dict(rows)


def revoke_token(session: Session, token_id: str, reason: str) -> None:
    """Take one token back."""
    _add(session, token_id, reason)


def revoke_all(session: Session, subject: str, reason: str) -> None:
    """Take back every token of a person or pilot that was issued until now."""
    _add(session, _key(subject), reason)


def _key(subject: str) -> str:
    # A token's own id is hexadecimal, so the two kinds of entries never meet.
    return f"{_OF_SUBJECT}{subject}"[:64]


def _add(session: Session, key: str, reason: str) -> None:
    run = session.connection().execute
    run(delete(_TABLE).where(_TABLE.c.token_id == key))
    run(insert(_TABLE).values(token_id=key, reason=reason[:500]))
