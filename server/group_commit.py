"""Group commit: requests that arrive together share one transaction of one writer thread.

A commit with its fsync is the wall, on both databases; while one is under way the next
requests gather, so that a hundred of them cost what one does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlmodel import Session

from culm.core.errors import Busy
from tasks.store.books import Books

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")
BulkVerb = Callable[[Session, Sequence[Item]], Sequence[Answer]]
"""A function that does many things in one transaction and answers each, in their order."""

MOST_ITEMS = 500
CLOSE_SECONDS = 30.0


@dataclass(slots=True)
class _Entry:
    """What one request wants done, and where its answers go."""

    verb: BulkVerb[Any, Any]
    items: Sequence[Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[list[Any]]
    outcome: list[Any] | Exception = field(default_factory=list)


def _no_watcher(_items: int, _seconds: float) -> None:
    """Nobody measures."""


class GroupWriter:
    """The writer of a process: one thread, one transaction at a time, as many items as wait."""

    def __init__(self, books: Books, on_commit: Callable[[int, float], None] = _no_watcher) -> None:
        self._books = books
        self._on_commit = on_commit
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="group-commit", daemon=True)
        self._thread.start()

    async def do(self, verb: BulkVerb[Item, Answer], items: Sequence[Item]) -> list[Answer]:
        """The verb's answers to these items, after they were committed.

        Raises:
            Busy: the server is going down, or the database did not take the transaction.
        """
        if self._closed:
            raise Busy("the server is going down")
        loop = asyncio.get_running_loop()
        entry = _Entry(verb, items, loop, loop.create_future())
        self._queue.put(entry)
        return await entry.done

    def close(self) -> None:
        """Finish what was asked for, then end the thread."""
        self._closed = True
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _write_all(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._gather()
            if batch:
                self._settle(batch)
                _answer(batch)

    def _gather(self) -> tuple[list[_Entry], bool]:
        """All that waits, after waiting for the first; False at the end of the day."""
        batch: list[_Entry] = []
        entry = self._queue.get()
        while entry is not None:
            batch.append(entry)
            if sum(len(waiting.items) for waiting in batch) >= MOST_ITEMS:
                return batch, True
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _settle(self, batch: Sequence[_Entry]) -> None:
        started = time.monotonic()
        try:
            self._write(batch)
        except Busy as error:
            # The database is away or overrun: one by one would fail as well, only more slowly.
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            log.debug("a batch failed, going one by one", exc_info=True)
            for entry in batch:
                self._settle([entry])
        else:
            self._on_commit(sum(len(entry.items) for entry in batch), time.monotonic() - started)

    def _write(self, batch: Sequence[_Entry]) -> None:
        with self._books.write() as session:
            for verb in dict.fromkeys(entry.verb for entry in batch):
                mine = [entry for entry in batch if entry.verb is verb]
                answers = list(verb(session, [item for entry in mine for item in entry.items]))
                _share_out(mine, answers)


def _share_out(entries: Iterable[_Entry], answers: Sequence[Any]) -> None:
    at = 0
    for entry in entries:
        entry.outcome = list(answers[at : at + len(entry.items)])
        at += len(entry.items)
    if at != len(answers):
        raise RuntimeError(f"{len(answers)} answers to {at} items")


def _fail(entries: Iterable[_Entry], error: Exception) -> None:
    for entry in entries:
        entry.outcome = error


def _answer(batch: Sequence[_Entry]) -> None:
    """Hand over the outcomes: one call into each event loop for all of its requests."""
    for loop in {id(entry.loop): entry.loop for entry in batch}.values():
        mine = [entry for entry in batch if entry.loop is loop]
        try:
            loop.call_soon_threadsafe(_hand_over, mine)
        except RuntimeError:
            log.warning("answers came after the end of their event loop")


def _hand_over(entries: Iterable[_Entry]) -> None:
    for entry in entries:
        if entry.done.done():  # the client went away
            continue
        if isinstance(entry.outcome, Exception):
            entry.done.set_exception(entry.outcome)
        else:
            entry.done.set_result(entry.outcome)
