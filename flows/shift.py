"""One shift of an agent: wait for a wake-up, claim, work on the batch, at once again."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from culm.core.errors import CallerError, LeaseLost
from flows.agent import Agent, P, Piece
from flows.recorder import Recorder

log = logging.getLogger(__name__)

LONGEST_TROUBLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a shift ends: after so long, after so many batches, or when nothing is left."""

    minutes: float = 15.0
    batches: int = 500
    until_idle: bool = False


@dataclass(slots=True)
class Tally:
    """What a shift did so far."""

    batches: int = 0
    pieces: int = 0
    failed: int = 0
    last_error: Exception | None = None

    def add(self, other: Tally) -> None:
        """Count another shift's work too."""
        self.batches += other.batches
        self.pieces += other.pieces
        self.failed += other.failed

    def __str__(self) -> str:
        return f"{self.batches} batches, {self.pieces} pieces of work, {self.failed} failed"


@dataclass(slots=True)
class Shift(Generic[P]):
    """One agent at work. `over` ends it after the pieces in hand; it also ends every wait.

    With `relief`, a shift whose hours are over calls it once and works on until `over`: the
    next one takes seconds to begin in Prefect, and nobody should wait for that.
    """

    agent: Agent[P]
    recorder: Recorder
    slots: asyncio.Semaphore
    hours: Hours = field(default_factory=Hours)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    relief: Callable[[], None] | None = None
    tally: Tally = field(default_factory=Tally)
    _relief_called: bool = False

    async def run(self, in_hand: Sequence[P] = ()) -> Tally:
        """What was done when the shift ended. Failures of single pieces do not end it."""
        end = time.monotonic() + self.hours.minutes * 60
        batch = in_hand or await self._take()
        while batch or not self.hours.until_idle:
            if batch:
                await self._work_on(batch)
            elif not self.over.is_set():
                await self._pause(self.agent.wait(self._longest_wait(end)))
            if self._is_over(end):
                break
            batch = await self._take()
        return self.tally

    def _is_over(self, end: float) -> bool:
        done = self.tally.batches >= self.hours.batches or time.monotonic() >= end
        if done and self.relief is not None:
            if not self._relief_called:
                self._relief_called = True
                self.relief()
            return self.over.is_set()
        return done or self.over.is_set()

    def _longest_wait(self, end: float) -> float:
        return math.inf if self._relief_called else max(0.0, end - time.monotonic())

    async def _take(self) -> Sequence[P]:
        trouble = 0
        while not self.over.is_set():
            try:
                return await self.agent.take()
            except Exception as error:
                trouble += 1
                seconds = min(0.25 * 2.0 ** min(trouble, 10), LONGEST_TROUBLE_SECONDS)
                log.warning("%s: no claim, again in %g s: %s", self.agent.name, seconds, error)
                await self._pause(asyncio.sleep(seconds))
        return ()

    async def _pause(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for something, but not beyond the end of the shift."""
        waits = [asyncio.ensure_future(waiting), asyncio.ensure_future(self.over.wait())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for wait in done:
            wait.result()

    async def _work_on(self, batch: Sequence[P]) -> None:
        self.tally.batches += 1
        left = await asyncio.gather(*(self._work(piece) for piece in batch))
        untouched = [piece for piece in left if piece is not None]
        if untouched:
            await self._try(self.agent.give_back(untouched), "leases not given back")

    async def _work(self, piece: P) -> P | None:
        """Nothing, or the piece if the shift ended before it began."""
        async with self.slots:
            if self.over.is_set():
                return piece
            self.tally.pieces += 1
            error = None
            try:
                await self._record(piece)
            except LeaseLost as lost:
                log.info("%s: %s", piece.title, lost)
            except Exception as problem:
                error = problem
                self.tally.failed += 1
                self.tally.last_error = problem
                self._complain(piece, problem)
            await self._try(self.agent.settle(piece, error), "not settled")
            return None

    async def _record(self, piece: P) -> None:
        if not piece.routine:
            await self.recorder.record(self.agent.name, piece.title, lambda: _in_thread(piece))
            return
        words = await _in_thread(piece)
        if words:
            await self.recorder.record(self.agent.name, f"{piece.title}: {words}", _nothing)

    def _complain(self, piece: Piece, error: Exception) -> None:
        if isinstance(error, CallerError):
            log.warning("%s: %s", piece.title, error)
        else:
            log.error("%s failed", piece.title, exc_info=error)

    async def _try(self, doing: Awaitable[None], words: str) -> None:
        # Leases run out by themselves: what cannot be settled now is only settled later.
        try:
            await doing
        except Exception as error:
            log.warning("%s: %s: %s", self.agent.name, words, error)


async def _nothing() -> None:
    """The work of a task run that only shows what was done already."""


async def _in_thread(piece: Piece) -> str:
    words = await asyncio.to_thread(piece.work)
    if words:
        log.info("%s: %s", piece.title, words)
    return words
