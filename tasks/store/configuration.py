"""The configuration table: read in one query and kept for seconds; every change is recorded."""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

from sqlalchemy import Pool, delete, select
from sqlmodel import Session

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.names import USER
from tasks.configuration import Values, find
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import core
from tasks.tables import Configuration, ConfigurationHistory

KEPT_SECONDS = 5.0
"""For how long a process may go on with values that somebody has changed elsewhere."""
_TABLE = core(Configuration)
_ROWS = select(_TABLE.c.key, _TABLE.c.vo, _TABLE.c.value)
# By pool: the engines that read and that write share one.
_kept: WeakKeyDictionary[Pool, tuple[float, Values]] = WeakKeyDictionary()
_lock = threading.Lock()


def values(session: Session) -> Values:
    """The thresholds that hold now; at most seconds old."""
    pool = session.connection().engine.pool
    with _lock:
        until, found = _kept.get(pool, (0.0, None))
    if found is None or time.monotonic() >= until:
        rows = session.connection().execute(_ROWS)
        found = Values({(row.key, row.vo): row.value for row in rows})
        with _lock:
            _kept[pool] = (time.monotonic() + KEPT_SECONDS, found)
    return found


def set_value(session: Session, name: str, text: str, user: str, vo: str = "") -> None:
    """Give a threshold a value, for one organisation or (empty) for all.

    Raises:
        NotFound: there is no such threshold; the nearest is named.
        InvalidRequest: the value is of another type or out of bounds.
    """
    definition, key = find(name)
    _check_vo(vo)
    value = definition.chosen(text)
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    old = _take_out(session, key, vo)
    session.add(Configuration(
        app=definition.app, component=definition.component, key=key, vo=vo, value=shown,
        type=definition.type, description=definition.description, changed_by=user,
        changed_at=database_time(session),
    ))  # fmt: skip
    _record(session, ConfigurationHistory(
        key=key, vo=vo, old_value=old, new_value=shown, user_name=user,
        at=database_time(session),
    ))  # fmt: skip


def reset_value(session: Session, name: str, user: str, vo: str = "") -> None:
    """Give a threshold its default back.

    Raises:
        NotFound: there is no such threshold; the nearest is named.
        InvalidRequest: this is no organisation's name.
    """
    _, key = find(name)
    _check_vo(vo)
    old = _take_out(session, key, vo)
    if old is not None:
        _record(session, ConfigurationHistory(
            key=key, vo=vo, old_value=old, user_name=user, at=database_time(session)
        ))  # fmt: skip


def _check_vo(vo: str) -> None:
    if vo and not USER.fullmatch(vo):
        fault = FieldFault("vo", ascii(vo)[:80], "an organisation's name")
        raise InvalidRequest("not an organisation", faults=[fault])


def _take_out(session: Session, key: str, vo: str) -> str | None:
    """The value that was set; its row is gone."""
    one_at_a_time(session, f"configuration/{key}/{vo}")
    found: str | None = session.connection().execute(
        delete(_TABLE).where(_TABLE.c.key == key, _TABLE.c.vo == vo).returning(_TABLE.c.value)
    ).scalar()  # fmt: skip
    return found


def _record(session: Session, change: ConfigurationHistory) -> None:
    session.add(change)
    session.flush()
    with _lock:
        _kept.pop(session.connection().engine.pool, None)
