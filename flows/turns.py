"""Whose turn it is: a row's period and its one machine at a time, kept over all machines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text, update
from sqlmodel import Session

from culm.core.errors import CulmError
from flows.table import Row
from tasks.store import locks
from tasks.store.books import Books
from tasks.tables import ScheduleRun
from tasks.tables.columns import db_now

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
RENEW_SECONDS = 20.0
SLACK = 0.9
"""A turn lasts a little less than the period: timers of one machine jitter."""

RUNS = ScheduleRun.__table__  # type: ignore[attr-defined]


def run_row(row: Row, books: Books, owner: str) -> str:
    """A line about what the row's function did; empty if nothing, or if it was not our turn."""
    with turn(row, books, owner) as ours:
        if not ours:
            return ""
        words = _call(row, books)
        with books.write() as session:
            _note_end(session, row.name, words)
        return words


@contextmanager
def turn(row: Row, books: Books, owner: str) -> Iterator[bool]:
    """Whether it is our turn. While it is, the row's lock is ours and is kept alive."""
    with books.write() as session:
        ours = not row.sync or _take_turn(session, row, owner)
        if ours:
            _note_start(session, row.name, owner)
    if not ours or not row.sync:
        yield ours
        return
    stop = threading.Event()
    keeper = threading.Thread(target=_keep, args=(row, books, owner, stop), daemon=True)
    keeper.start()
    try:
        yield True
    finally:
        stop.set()
        keeper.join()
        with books.write() as session:
            locks.release(session, [_running(row)], owner)


def _call(row: Row, books: Books) -> str:
    function, end = row.load(), time.monotonic() + row.period_seconds
    words = function(books, **row.arguments)
    while row.loop and words and time.monotonic() < end:
        more = function(books, **row.arguments)
        if not more:
            break
        words = more
    return words


def _take_turn(session: Session, row: Row, owner: str) -> bool:
    if not locks.claim_names(session, [_running(row)], owner, LEASE_SECONDS):
        return False
    if locks.claim_names(session, [f"turn:{row.name}"], owner, row.period_seconds * SLACK):
        return True
    locks.release(session, [_running(row)], owner)
    return False


def _running(row: Row) -> str:
    return f"running:{row.name}"


def _keep(row: Row, books: Books, owner: str, stop: threading.Event) -> None:
    started, told = time.monotonic(), False
    while not stop.wait(min(RENEW_SECONDS, row.period_seconds)):
        took = time.monotonic() - started
        if took > row.period_seconds and not told:
            told = True
            log.warning("%s still runs after %.0f s, its period is %.0f s",
                        row.name, took, row.period_seconds)  # fmt: skip
        # A lease that cannot be renewed now is tried again: it lasts three such times.
        with suppress(CulmError), books.write() as session:
            locks.renew(session, [_running(row)], owner, LEASE_SECONDS)


_START = text(
    "INSERT INTO schedule_run (name, owner, started_at, n_runs, message) "
    "VALUES (:name, :owner, CURRENT_TIMESTAMP, 1, '') "
    "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, n_runs = schedule_run.n_runs + 1, "
    "ended_at = NULL, message = ''"
)


def _note_start(session: Session, name: str, owner: str) -> None:
    session.connection().execute(_START, {"name": name, "owner": owner})
    _set(session, name, started_at=db_now())


def _note_end(session: Session, name: str, words: str) -> None:
    _set(session, name, ended_at=db_now(), message=words[:1000])


def _set(session: Session, name: str, **values: object) -> None:
    session.connection().execute(update(RUNS).where(RUNS.c.name == name).values(**values))
