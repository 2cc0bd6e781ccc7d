"""Leases by name: a stage holds what it works on, and a dead one's work is taken over.

Expiry compares with the database's clock only, so a machine whose own clock is wrong neither
keeps nor loses a lease by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Float, and_, bindparam, delete, select, text, update
from sqlmodel import Session

from culm.core.errors import LeaseLost
from tasks.store.bulk import id_in, texts_among
from tasks.store.prepared import Prepared
from tasks.store.tables import TASK
from tasks.tables import Lock
from tasks.tables.columns import db_now

LOCK = Lock.__table__  # type: ignore[attr-defined]
_CLAIM = {
    dialect: text(
        "INSERT INTO lock (name, owner, expires_at) "
        f"SELECT {names}, :owner, {until} WHERE true "
        "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at "
        f"WHERE lock.expires_at < {now} RETURNING name"
    )
    for dialect, names, until, now in (
        (
            "sqlite",
            "value",
            "strftime('%Y-%m-%d %H:%M:%f000', 'now', :seconds || ' seconds') "
            "FROM json_each(:names)",
            "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        ),
        (
            "postgresql",
            "unnest(CAST(:names AS text[]))",
            "clock_timestamp() + make_interval(secs => CAST(:seconds AS double precision))",
            "clock_timestamp()",
        ),
    )
}


def claim_names(session: Session, names: Iterable[str], owner: str, seconds: float) -> set[str]:
    """Take the leases of these names that are free or run out; gives the names taken.

    A lease that the owner holds already counts as held: it is not given again.
    """
    import json

    wanted = sorted(set(names))
    if not wanted:
        return set()
    dialect = session.get_bind().dialect.name
    given = json.dumps(wanted) if dialect == "sqlite" else wanted
    rows = session.connection().execute(
        _CLAIM[dialect], {"names": given, "owner": owner, "seconds": seconds}
    )
    return {row[0] for row in rows}


def held_names(session: Session, names: Iterable[str]) -> set[str]:
    """Those of the names that somebody holds now."""
    return set(_HELD.column(session, names=list(names)))


_HELD = Prepared(
    select(LOCK.c.name).where(texts_among(LOCK.c.name, "names"), LOCK.c.expires_at >= db_now())
)


def renew(session: Session, names: Sequence[str], owner: str, seconds: float) -> None:
    """Prolong leases inside the transaction that does their work: the fence of every stage.

    Raises:
        LeaseLost: one of them is not this owner's any more; the caller's work must not commit.
    """
    renewed = _RENEWED.change(session, names=list(names), holder=owner, seconds=float(seconds))
    if renewed != len(set(names)):
        raise LeaseLost(f"{owner} lost the lease of {', '.join(names)}: work not written")


_OURS = and_(texts_among(LOCK.c.name, "names"), LOCK.c.owner == bindparam("holder"))


_RENEWED = Prepared(
    update(LOCK).where(_OURS).values(expires_at=db_now(bindparam("seconds", type_=Float)))
)


def release(session: Session, names: Iterable[str], owner: str) -> None:
    """Give back leases; those that are another's meanwhile are left alone."""
    _RELEASED.change(session, names=list(names), holder=owner)


_RELEASED = Prepared(delete(LOCK).where(_OURS))


def hold_tasks(session: Session, task_ids: Iterable[int]) -> None:
    """Keep these tasks to this transaction: whoever else holds one of them waits for its end.

    What is read after this is not changed by another stage, watchdog or command until the
    commit. On SQLite a writing transaction is alone anyway.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.connection().execute(
            select(TASK.c.id).where(id_in(TASK.c.id, task_ids, session))
            .order_by(TASK.c.id).with_for_update(key_share=True)
        )  # fmt: skip


def one_at_a_time(session: Session, name: str) -> None:
    """Let one transaction at a time go on from here under this name; to the commit.

    For what looks whether something is there and else adds it: on PostgreSQL two that look at
    once would both add. On SQLite a writing transaction is alone anyway.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.connection().execute(_ALONE, {"name": name})


def not_beside(session: Session, name: str) -> None:
    """Go on beside others of this kind, but not beside one that is alone under this name."""
    if session.get_bind().dialect.name != "sqlite":
        session.connection().execute(_SHARED, {"name": name})


_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
