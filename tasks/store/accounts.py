"""Accounts of identity providers: each has one name here, and each name one account."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from culm.core.errors import NotAllowed, NotFound
from tasks.store.books import Books
from tasks.store.moves import database_time
from tasks.tables import User

_TABLE = User.__table__  # type: ignore[attr-defined]


def name_of_account(books: Books, issuer: str, subject: str, wanted: str) -> str:
    """The name of a provider's account: the one that it has, else the one that it wants.

    Raises:
        NotAllowed: the name that it wants is another's.
    """
    with books.read() as session:
        found = _known(session, issuer, subject)
    if found is not None:
        return found
    try:
        with books.write() as session:
            now = database_time(session)
            session.add(User(name=wanted, created_at=now, issuer=issuer, subject=subject))
    except IntegrityError:
        # Taken: by the same account in another process just now, or by somebody else.
        with books.read() as session:
            found = _known(session, issuer, subject)
        if found is None:
            raise NotAllowed(
                f"the name {wanted} belongs to another account here",
                hint=f"the operator can give it to yours: culm token bind {wanted} ISSUER SUBJECT",
            ) from None
        return found
    return wanted


def bind_account(session: Session, name: str, issuer: str, subject: str) -> None:
    """Give a name to a provider's account; whoever had it has it no longer.

    Raises:
        NotFound: nobody has had this name.
    """
    run = session.connection().execute
    mine = (_TABLE.c.issuer == issuer, _TABLE.c.subject == subject)
    run(update(_TABLE).where(*mine, _TABLE.c.name != name).values(issuer=None, subject=None))
    named = update(_TABLE).where(_TABLE.c.name == name).values(issuer=issuer, subject=subject)
    if run(named).rowcount == 0:
        raise NotFound(f"nobody called {name} has been here")


def _known(session: Session, issuer: str, subject: str) -> str | None:
    return session.exec(
        select(User.name).where(User.issuer == issuer, User.subject == subject)
    ).first()
