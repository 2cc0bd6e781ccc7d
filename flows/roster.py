"""The agent of the table: takes up the rows that a timer says are due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from flows.agent import Piece
from flows.backoff import Backoff
from flows.table import Row
from flows.turns import run_row
from tasks.store.books import Books

NAME = "watchdogs"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPiece(Piece):
    """A piece of work that is one run of a row."""

    row: Row
    routine: bool = True


@dataclass(slots=True)
class Roster:
    """The rows that are due, each at most once. All of it runs in one event loop."""

    books: Books
    owner: str
    backoff: Backoff = field(default_factory=Backoff)
    name: str = NAME
    _due: dict[str, tuple[Row, asyncio.Future[None]]] = field(default_factory=dict)
    _running: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)
    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, row: Row) -> None:
        """Have the row run; over when it has, so that a timer starts no second run beside it."""
        if time.monotonic() < self._not_before.get(row.name, 0.0):
            return
        done = asyncio.get_running_loop().create_future()
        self._due[row.name] = (row, done)
        self._rung.set()
        # The timers are cancelled when the daemon ends.
        with suppress(asyncio.CancelledError):
            await done

    async def take(self) -> Sequence[RowPiece]:
        """The rows that are due."""
        self._rung.clear()
        due, self._due = self._due, {}
        self._running |= {name: done for name, (_, done) in due.items()}
        return [self._piece(row) for row, _ in due.values()]

    async def wait(self, seconds: float) -> None:
        """Until a row is due."""
        try:
            await asyncio.wait_for(self._rung.wait(), seconds)
        except TimeoutError:
            return

    async def settle(self, piece: RowPiece, error: Exception | None) -> None:
        """Let the timer of the row go on; leave a row that failed alone for a growing time."""
        name = piece.row.name
        if error is None:
            self.backoff.succeeded(name)
        else:
            self._not_before[name] = time.monotonic() + self.backoff.failed(name)
        self._over(name)

    async def give_back(self, pieces: Sequence[RowPiece]) -> None:
        """Forget them: their timers ask again."""
        for piece in pieces:
            self._over(piece.row.name)

    def _piece(self, row: Row) -> RowPiece:
        return RowPiece(title=row.name, work=lambda: run_row(row, self.books, self.owner), row=row)

    def _over(self, name: str) -> None:
        done = self._running.pop(name, None)
        if done is not None and not done.done():
            done.set_result(None)
