"""The agent of a stage: claims tasks that are ready for it, by lease."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from culm.core.errors import Busy
from flows.agent import Piece
from flows.backoff import Backoff
from flows.leases import postpone, rest
from tasks.stages.stage import Claim, LeasedWork, Outcome
from tasks.store.books import Books
from tasks.store.wakeups import Mark, Waker

log = logging.getLogger(__name__)

SPINS = 5
SWEEP_SECONDS = 5.0
"""Leases of the dead run out without news, and news may be lost with a connection: look anyway."""
LOOKS_REST = 5.0
LONGEST_REST_SECONDS = 0.5
"""After work that took long: what came meanwhile waits no longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePiece(Piece):
    """A piece of work that is one claim of a stage."""

    claim: Claim


@dataclass(slots=True)
class StageAgent:
    """One stage and where it works. `task_ids` narrows it; `on_outcome` is told each outcome."""

    stage: LeasedWork
    books: Books
    waker: Waker
    owner: str
    batch_size: int = 16
    task_ids: Sequence[int] | None = None
    on_outcome: Callable[[Outcome], None] | None = None
    backoff: Backoff = field(default_factory=Backoff)
    _mark: Mark = field(default_factory=dict)
    _next_try: float | None = None
    _idle: Counter[int] = field(default_factory=Counter)
    _outcomes: dict[int, Outcome] = field(default_factory=dict)
    _not_before: float = 0.0
    _unsettled: list[Claim] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.stage.name

    async def take(self) -> Sequence[StagePiece]:
        """What is ready now; a stage that gathers or rests has it wait a little first."""
        await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
        # The mark comes first: news that arrives while we look must end the next wait.
        self._mark = self.waker.mark()
        await self._release_unsettled()
        began = time.monotonic()
        claims = await asyncio.to_thread(
            self.stage.claim, self.books, self.owner, self.batch_size, self.task_ids
        )
        ended = time.monotonic()
        rested = min(LONGEST_REST_SECONDS, LOOKS_REST * (ended - began))
        if claims:
            rested = max(rested, self.stage.gather_seconds)
        self._not_before = ended + rested
        return [self._piece(claim) for claim in claims]

    async def wait(self, seconds: float) -> None:
        """Until the stage's topics have news, or something that was put off is due."""
        longest = SWEEP_SECONDS if self._next_try is None else self._next_try
        self._next_try = None
        self._idle.clear()
        await self.waker.wait_async(self.stage.topics, min(seconds, longest), self._mark)

    async def settle(self, piece: StagePiece, error: Exception | None) -> None:
        """Forget the failures of what went well; put off what failed, on all machines."""
        task_id = piece.claim.task_id
        outcome = self._outcomes.pop(task_id, None)
        if error is not None:
            await self._put_off(postpone, piece.claim)
        elif outcome is not None and self._spins(outcome):
            log.warning("%s: ready again and again, though nothing is done to it", piece.title)
            await self._put_off(rest, piece.claim)
        else:
            self.backoff.succeeded(task_id)

    async def _put_off(
        self, keep: Callable[[Books, Claim, str, float], None], claim: Claim
    ) -> None:
        seconds = self.backoff.failed(claim.task_id)
        self._next_try = min(seconds, self._next_try or SWEEP_SECONDS)
        try:
            await asyncio.to_thread(keep, self.books, claim, self.owner, seconds)
        except Busy:
            self._unsettled.append(claim)
            raise

    async def _release_unsettled(self) -> None:
        """Give back what could not be settled while the database was away.

        Else a database that restarts would cost those tasks the rest of their lease.
        """
        if self._unsettled:
            await asyncio.to_thread(self.stage.give_back, self.books, self._unsettled, self.owner)
            self._unsettled = []

    def _spins(self, outcome: Outcome) -> bool:
        """Whether the task was found ready many times since the last wait, with no effect."""
        if outcome.n_done or outcome.again:
            del self._idle[outcome.task_id]
            return False
        self._idle[outcome.task_id] += 1
        return self._idle[outcome.task_id] >= SPINS

    async def give_back(self, pieces: Sequence[StagePiece]) -> None:
        """Release the leases."""
        claims = [piece.claim for piece in pieces]
        await asyncio.to_thread(self.stage.give_back, self.books, claims, self.owner)

    def _piece(self, claim: Claim) -> StagePiece:
        title = f"{claim.stage} {claim.task_id} {claim.task_name}"
        return StagePiece(title=title, work=lambda: self._work(claim), claim=claim)

    def _work(self, claim: Claim) -> str:
        began = time.monotonic()
        outcome = self.stage.work(self.books, claim, self.owner)
        self._outcomes[claim.task_id] = outcome
        ended = time.monotonic()
        rested = ended + min(LONGEST_REST_SECONDS, self.stage.rests * (ended - began))
        self._not_before = max(self._not_before, rested)
        if self.on_outcome is not None:
            self.on_outcome(outcome)
        return outcome.message
