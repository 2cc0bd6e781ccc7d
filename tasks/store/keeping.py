"""Leases that are kept while something takes long, and that end soon where their owner has died."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from culm.core.errors import CulmError
from tasks.store.books import Books
from tasks.store.locks import renew

log = logging.getLogger(__name__)


@contextmanager
def kept(books: Books, name: str, owner: str, seconds: float) -> Iterator[None]:
    """Renew a lease of so many seconds, again and again, until the block is left.

    A lease that is lost meanwhile is found lost by the transaction that writes the work.
    """
    over = Event()

    def renewing() -> None:
        while not over.wait(seconds / 3):
            try:
                with books.write() as session:
                    renew(session, [name], owner, seconds)
            except CulmError as error:
                log.warning("a lease was not renewed", extra={"lease": name, "reason": str(error)})

    thread = Thread(target=renewing, name=f"keeps {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
