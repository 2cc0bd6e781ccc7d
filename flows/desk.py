"""The desk: decides before each shift whether Prefect records it, and says when that changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from flows.backoff import Backoff
from flows.once import Once
from flows.probe import Probe
from flows.recorder import Recorder, Unrecorded
from flows.shift import Tally

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
PATIENCE_LOOKS = 3
CLOSE_SECONDS = 6.0
START_SECONDS = 20.0
"""A flow run starts in a quarter of a second, and in some more where Prefect's server answers
503 (its SQLite was locked): its client tries again after 2, 4, 8 s."""

Body = Callable[[Recorder], Awaitable[Tally]]
"""A shift, given its recorder."""


class Engine(Protocol):
    """Prefect, as the desk sees it."""

    async def recorder(self) -> Recorder:
        """The recorder of a shift that runs inside `run`."""
        ...

    async def run(self, name: str, title: str, body: Callable[[], Awaitable[object]]) -> None:
        """Run `body` inside a flow run of the flow `name`, called `title`."""
        ...


class Desk:
    """Holds shifts, recorded while Prefect's server answers. `engine` None: never recorded."""

    def __init__(
        self,
        engine: Engine | None,
        probe: Probe,
        on_change: Callable[[], None] = lambda: None,
        where: str = "",
    ) -> None:
        self._engine = engine
        self._probe = probe
        self._where = where
        self.on_change = on_change
        self.recording = False
        self._told = False
        self._slow = 0
        self._distrust = Backoff(first_seconds=30.0, longest_seconds=600.0)
        self._trust_again_at = 0.0
        self._lingering: set[asyncio.Task[None]] = set()
        # Flow runs start one after the other: several at once lock each other out in SQLite.
        self._opening = asyncio.Lock()
        self._closing = asyncio.Event()

    async def look(self) -> bool:
        """Whether shifts are recorded from now on. Warns once when it changes."""
        if self._engine is None or time.monotonic() < self._trust_again_at:
            return self.recording
        answer = await self._probe()
        self._slow = self._slow + 1 if answer is None else 0
        if answer is not None or self._slow >= PATIENCE_LOOKS or not self._told:
            self._set(bool(answer), "does not answer")
        return self.recording

    async def wait(self, seconds: float, stopping: asyncio.Event) -> None:
        """Until Prefect's server answers, for so long at most."""
        end = time.monotonic() + seconds
        while self._engine and not stopping.is_set() and time.monotonic() < end:
            if await self._probe():
                return
            await asyncio.sleep(0.2)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def hold(self, name: str, title: str, body: Body) -> Tally:
        """What a shift did, recorded or not.

        A failure of Prefect at any moment neither loses nor repeats its work.
        """
        if self.recording and self._engine is not None:
            tally = await self._hold_recorded(self._engine, name, title, body)
            if tally is not None:
                return tally
        return await body(Unrecorded())

    def begin_closing(self) -> None:
        """Wait for no flow run to begin any more."""
        self._closing.set()

    async def close(self) -> None:
        """Give flow runs that are about to end a little time for it."""
        if self._lingering and self.recording:
            await asyncio.wait(self._lingering, timeout=CLOSE_SECONDS)

    async def _hold_recorded(
        self, engine: Engine, name: str, title: str, body: Body
    ) -> Tally | None:
        recorder = await engine.recorder()
        once: Once[Tally] = Once(lambda: body(recorder))
        async with self._opening:
            if not self.recording or self._closing.is_set():
                return None
            run = asyncio.create_task(engine.run(name, title, once))
            self._linger(run)
            await _first_of(run, once.started, self._closing)
        if once.revoke():
            if not self._closing.is_set():
                self._lose_trust(run)
            return None
        # The end of the shift, not of the flow run: Prefect may take its time to note it.
        tally = await once()
        self._distrust.succeeded(name)
        return tally

    def _linger(self, run: asyncio.Task[None]) -> None:
        self._lingering.add(run)
        run.add_done_callback(self._ended)

    def _ended(self, run: asyncio.Task[None]) -> None:
        self._lingering.discard(run)
        error = None if run.cancelled() else run.exception()
        if error is not None:
            log.debug("a flow run did not end well in Prefect", exc_info=error)

    def _lose_trust(self, run: asyncio.Task[None]) -> None:
        error = run.exception() if run.done() and not run.cancelled() else None
        reason = f"takes no flow run ({error or f'not started within {START_SECONDS:.0f} s'})"
        self._trust_again_at = time.monotonic() + self._distrust.failed("start")
        self._set(False, reason)

    def _set(self, recording: bool, reason: str) -> None:
        if recording == self.recording and self._told:
            return
        changed = recording != self.recording
        if not recording:
            log.warning("Prefect's server %s %s: work goes on unrecorded", self._where, reason)
        elif self._told:
            log.warning("Prefect's server %s is back: shifts are recorded again", self._where)
        self.recording, self._told = recording, True
        if changed:
            self.on_change()


async def _first_of(run: asyncio.Task[None], *events: asyncio.Event) -> None:
    """Until one of the events, or the end of the run, but not for ever."""
    waits = {asyncio.create_task(event.wait()) for event in events}
    await asyncio.wait({run, *waits}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
