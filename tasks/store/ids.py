"""Blocks of fresh ids, taken before a bulk insert so that rows can name each other."""

from __future__ import annotations

import secrets

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
    if _TRIAL in session.info:
        first = session.info[_TRIAL]
        session.info[_TRIAL] += count
        return range(first, first + count)
    parameters = {"noun": noun, "count": count}
    if session.get_bind().dialect.name == "sqlite":
        last = session.connection().execute(_TAKE, parameters).scalar()
    else:
        with session.connection().engine.begin() as aside:
            last = aside.execute(_TAKE, parameters).scalar()
    if last is None:
        raise Misconfigured(f"no id counter for {noun}", hint="run: culm db init")
    return range(int(last) - count, int(last))


_TRIAL = "culm_next_trial_id"


def ids_of_a_trial(session: Session) -> None:
    """Let this session take ids that no row ever has, and leave the counters alone.

    They are far above those of rows, and begin at random: two trials at once do not meet.
    """
    session.info[_TRIAL] = 2**61 + (secrets.randbelow(2**30) << 30)
