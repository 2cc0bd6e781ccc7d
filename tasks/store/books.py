"""Books: the database and its transactions. Repositories never commit; this does, once."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from culm.core.errors import Busy, Misconfigured
from tasks.store.ids import ids_of_a_trial
from tasks.store.topics import Topic, pending_topics

SQLITE_WAIT_MS = 60_000


class Books:
    """One database. Open it once a process; threads share it.

    `write()` is one transaction with the right to write; leaving it commits, an exception
    rolls back. `read()` sees one consistent state. On SQLite a process has one writer at a
    time, and processes queue on a file lock, so that nobody starves in SQLite's own retries.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.engine = _engine(url, pool_size)
        self._writer = self.engine.execution_options(culm_write=True)
        self._one_writer = threading.RLock() if self.is_sqlite else None
        self._lock_file = _lock_file(url) if self.is_sqlite else None

    @classmethod
    def existing(cls, url: str, *, pool_size: int = 10) -> Self:
        """The books at this URL, if there are any: who only looks must not make a file.

        Raises:
            Misconfigured: there is no such database file.
        """
        path = _sqlite_path(url)
        if path is not None and not path.is_file():
            raise Misconfigured(f"there is no database {path}", hint="run: culm db init")
        return cls(url, pool_size=pool_size)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite; else it is PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One writing transaction; waiters of the topics that it woke learn of its commit.

        Raises:
            Busy: the database did not take the transaction (locked, restarted, cut off).
        """
        with self._turn(), _translated(self.url), Session(self._writer) as session:
            yield session
            _announce(session, self.is_sqlite)
            session.commit()

    @contextmanager
    def trial(self) -> Iterator[Session]:
        """A transaction with the right to write that is taken back at its end, whatever it did.

        Its ids are its own (`tasks.store.ids`), and nobody is woken.

        Raises:
            Busy: the database did not answer.
        """
        with self._turn(), _translated(self.url), Session(self._writer) as session:
            ids_of_a_trial(session)
            try:
                yield session
            finally:
                session.rollback()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session to read from; nothing it does is written.

        Raises:
            Busy: the database did not answer.
            Misconfigured: the file is no database.
        """
        with _translated(self.url), Session(self.engine) as session:
            yield session
            session.rollback()

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()
        if self._lock_file is not None:
            self._lock_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._one_writer is None or self._lock_file is None:
            yield
            return
        with self._one_writer:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)


_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_ANNOUNCE = text("UPDATE wake_up SET n = n + 1 WHERE topic = :topic")
_NOTIFY = text("SELECT pg_notify('culm', :topic)")


def _announce(session: Session, is_sqlite: bool) -> None:
    topics = pending_topics(session)
    if topics:
        rows = [{"topic": topic} for topic in sorted(topics)]
        if is_sqlite:
            session.connection().execute(_ANNOUNCE, rows)
        else:
            for row in rows:
                session.connection().execute(_NOTIFY, row)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Busy(f"every connection to the database is in use: {error}") from error
    except (OperationalError, DBAPIError) as error:
        if getattr(error.orig, "sqlite_errorcode", None) in _DAMAGED:
            raise Misconfigured(
                f"{_sqlite_path(url)} is no SQLite database, or damaged: {error.orig}",
                hint="restore it, or set database_url: culm config show",
            ) from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise Busy(f"the database did not take it: {error.orig}") from error
        raise


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise Misconfigured("database_url is neither sqlite:///FILE nor postgresql://…") from error


def _sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None for others."""
    parsed = _parsed(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _engine(url: str, pool_size: int) -> Engine:
    parsed = _parsed(url)
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
        )
    if parsed.get_backend_name() != "sqlite" or not parsed.database or ":memory:" in url:
        raise Misconfigured(
            f"database_url {parsed.render_as_string()} is neither sqlite:///FILE nor postgresql://…"
        )
    # check_same_thread is off because the pool moves connections between threads, one at a time.
    engine = create_engine(
        parsed, pool_size=pool_size, max_overflow=pool_size,
        connect_args={"check_same_thread": False},
    )  # fmt: skip
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {SQLITE_WAIT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # an acknowledged write survives a power cut (reliability.md, I9)
        "foreign_keys = ON",
        "cache_size = -65536",
        # A checkpoint writes a page once, however often it changed: every 40 MB of log.
        "wal_autocheckpoint = 10000",
        "temp_store = MEMORY",
        "mmap_size = 268435456",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("culm_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _lock_file(url: str) -> Any:
    path = Path(f"{_sqlite_path(url)}.writer")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise Misconfigured(f"database_url {url} cannot be written: {error}") from error


def wake(session: Session, *topics: Topic) -> None:
    """Tell whoever waits for these topics, once the transaction has committed."""
    pending_topics(session).update(topics)
