"""Wake-ups instead of polling: agents, long polls and watchers all wait here.

PostgreSQL: LISTEN/NOTIFY. SQLite: `PRAGMA data_version`, which costs microseconds and changes
when another connection commits, looked at every few milliseconds while somebody waits; the
table `wake_up` then says which topics it was. Whoever waits keeps a slow sweep of its own.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tasks.store.books import Books
from tasks.store.topics import Topic

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.004
RETRY_SECONDS = 1.0

Mark = Mapping[str, int]
"""What a waiter had seen: taken before it looked at the rows, so that no news is missed."""


class Waker:
    """Wakes threads and coroutines of this process when their topics have news."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._counts: dict[str, int] = dict.fromkeys(Topic, 0)
        self._changed = threading.Condition()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._waiting = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def mark(self) -> Mark:
        """The news seen so far; take it before looking at the rows."""
        with self._changed:
            self._start()
            return dict(self._counts)

    def wait(self, topics: Iterable[Topic], timeout_seconds: float, mark: Mark) -> bool:
        """Block this thread until a topic has news since `mark`; False if none came in time."""
        wanted = tuple(topics)
        with self._changed:
            self._begin()
            try:
                self._changed.wait_for(
                    lambda: self._closed or self._news(wanted, mark), timeout_seconds
                )
                return self._news(wanted, mark)
            finally:
                self._waiting -= 1

    async def wait_async(self, topics: Iterable[Topic], timeout_seconds: float, mark: Mark) -> bool:
        """Like `wait`, for a coroutine: the event loop goes on meanwhile."""
        wanted, loop, came = tuple(topics), asyncio.get_running_loop(), asyncio.Event()

        def told() -> None:
            if self._closed or self._news(wanted, mark):
                loop.call_soon_threadsafe(came.set)

        with self._changed:
            self._begin()
            if self._news(wanted, mark):
                self._waiting -= 1
                return True
            self._callbacks[id(came)] = told
        try:
            await asyncio.wait_for(came.wait(), timeout_seconds)
        except TimeoutError:
            return False
        finally:
            with self._changed:
                self._waiting -= 1
                del self._callbacks[id(came)]
        return self._news(wanted, mark)

    def close(self) -> None:
        """End the watching thread and let every waiter go."""
        with self._changed:
            self._closed = True
            self._tell()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _news(self, topics: tuple[Topic, ...], mark: Mark) -> bool:
        return any(self._counts[topic] != mark.get(topic, 0) for topic in topics)

    def _begin(self) -> None:
        self._waiting += 1
        self._start()
        self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            watch = self._watch_sqlite if self._books.is_sqlite else self._watch_postgresql
            self._thread = threading.Thread(
                target=self._keep, args=(watch,), name="waker", daemon=True
            )
            self._thread.start()

    def _tell(self) -> None:
        self._changed.notify_all()
        for callback in list(self._callbacks.values()):
            callback()

    def _take(self, counts: Mapping[str, int]) -> None:
        with self._changed:
            if any(self._counts.get(topic) != n for topic, n in counts.items()):
                self._counts.update(counts)
                self._tell()

    def _everything_is_news(self) -> None:
        with self._changed:
            self._counts = {topic: n + 1 for topic, n in self._counts.items()}
            self._tell()

    def _keep(self, watch: Callable[[], None]) -> None:
        while not self._closed:
            try:
                watch()
            except (SQLAlchemyError, psycopg.Error, sqlite3.Error) as error:
                log.warning("wake-ups interrupted, trying again: %s", error)
                time.sleep(RETRY_SECONDS)
                self._everything_is_news()

    def _watch_sqlite(self) -> None:
        with self._books.engine.connect() as connection:
            # The driver's own connection: a transaction would freeze what it sees.
            raw = connection.connection.cursor()
            seen = None
            while not self._closed:
                version = raw.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    seen = version
                    self._take(dict(raw.execute("SELECT topic, n FROM wake_up").fetchall()))
                self._pause()

    def _pause(self) -> None:
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait()
        time.sleep(LOOK_SECONDS)

    def _watch_postgresql(self) -> None:
        with self._books.engine.connect() as pooled:
            dsn = pooled.connection.driver_connection.info.dsn  # type: ignore[union-attr]
            password = pooled.connection.driver_connection.info.password  # type: ignore[union-attr]
        with psycopg.connect(dsn, password=password or None, autocommit=True) as connection:
            connection.execute("LISTEN culm")
            self._everything_is_news()
            while not self._closed:
                for notice in connection.notifies(timeout=0.5, stop_after=1):
                    with self._changed:
                        self._counts[notice.payload] = self._counts.get(notice.payload, 0) + 1
                        self._tell()


def ensure_topics(books: Books) -> None:
    """Rows of `wake_up` for every topic (SQLite's waiters read them)."""
    statement = text("INSERT INTO wake_up (topic, n) VALUES (:topic, 0) ON CONFLICT DO NOTHING")
    with books.write() as session:
        session.connection().execute(statement, [{"topic": str(topic)} for topic in Topic])
