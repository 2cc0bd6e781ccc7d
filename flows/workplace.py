"""Where this process works: books, wake-ups, and the name under which it holds leases."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache

from culm.core.settings import Settings, load_settings
from tasks.store.books import Books
from tasks.store.wakeups import Waker

POOL_SIZE = 24


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every agent and every daemon flow of a process share."""

    settings: Settings
    books: Books
    waker: Waker
    owner: str

    @property
    def at_once(self) -> int:
        """How many pieces of work may run at once. SQLite has one writer, whoever waits for it."""
        return 2 if self.books.is_sqlite else 8

    def close(self) -> None:
        """End the watching thread and the connections."""
        self.waker.close()
        self.books.close()


def open_workplace(settings: Settings) -> Workplace:
    """The books that the settings name, opened; they must be there."""
    books = Books.existing(settings.database_url, pool_size=POOL_SIZE)
    return Workplace(settings, books, Waker(books), owner_name())


def owner_name() -> str:
    """Host, process, and a random part: in containers every process is number 1."""
    return f"{socket.gethostname()[:90]}:{os.getpid()}:{secrets.token_hex(2)}"


@cache
def our_workplace() -> Workplace:
    """The workplace of a process that runs flows by itself (not `culm daemon`): opened once."""
    return open_workplace(load_settings())
