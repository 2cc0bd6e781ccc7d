"""Blocks of fresh ids, taken before a bulk insert so that rows can name each other."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

from culm.core.errors import Misconfigured

_TAKE = text(
    "UPDATE id_counter SET next_id = next_id + :count WHERE noun = :noun RETURNING next_id"
)


def take_ids(session: Session, noun: str, count: int) -> range:
    """`count` ids of a noun that nobody else has or gets, rising; unused ones are gaps.

    On PostgreSQL they are taken in a transaction of their own, so that a long one does not
    hold up everybody else who needs ids.

    Raises:
        Misconfigured: the database was not initialised.
    """
    parameters = {"noun": noun, "count": count}
    if session.get_bind().dialect.name == "sqlite":
        last = session.connection().execute(_TAKE, parameters).scalar()
    else:
        with session.connection().engine.begin() as aside:
            last = aside.execute(_TAKE, parameters).scalar()
    if last is None:
        raise Misconfigured(f"no id counter for {noun}", hint="run: culm db init")
    return range(int(last) - count, int(last))
