"""The daemon: one agent a stage, each in shifts, and the table's rows by the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from culm.core.clock import Clock, utc_now
from flows.agent import Agent, Piece
from flows.desk import Desk
from flows.recorder import Recorder
from flows.roster import Roster
from flows.run_names import shift_title
from flows.shift import Hours, Shift, Tally
from flows.table import TABLE, Row

log = logging.getLogger(__name__)

THREADS = 32
TROUBLE_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class Post:
    """A shift as others see it: `due` to be relieved, told that it is `over`, `ended`."""

    due: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Daemon:
    """Agents at work until `stop` is called. One event loop; stage functions run in threads.

    What goes on `beside` them is cancelled when it stops.
    """

    agents: Sequence[Agent[Any]]
    desk: Desk
    owner: str
    at_once: int
    hours: Hours = field(default_factory=Hours)
    rows: Sequence[Row] = TABLE
    clock: Clock = utc_now
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _posts: set[Post] = field(default_factory=set)
    _shifts: set[asyncio.Task[Tally]] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)
        # Whatever changes about recording, the next shifts begin at once with the new state.
        self.desk.on_change = self._call_relief

    def stop(self) -> None:
        """End after the pieces of work in hand; what was leased and not begun is given back."""
        self.stopping.set()
        self.desk.begin_closing()
        for post in self._posts:
            post.over.set()
            post.due.set()

    async def run(self) -> None:
        """Work until stopped."""
        _enough_threads()
        await self.desk.look()
        beside = [asyncio.create_task(one()) for one in (self.desk.watch, *self.beside)]
        scheduler = self._scheduler()
        scheduler.start()
        log.info("on duty: %s", ", ".join(agent.name for agent in self.agents))
        try:
            await asyncio.gather(*(self._serve(n, agent) for n, agent in enumerate(self.agents)))
            await asyncio.gather(*self._shifts)
        finally:
            scheduler.shutdown(wait=False)
            for one in beside:
                one.cancel()
            await self.desk.close()

    async def run_once(self) -> Tally:
        """Work until no agent finds anything; gives what was done."""
        _enough_threads()
        await self.desk.look()
        hours, total, before = replace(self.hours, until_idle=True), Tally(), -1
        while total.batches != before and not self.stopping.is_set():
            before = total.batches
            for agent in self.agents:
                # No flow run for a stage that has nothing to do.
                if in_hand := await agent.take():
                    total.add(await self._hold(agent, hours, self._post(), in_hand=in_hand))
        await self.desk.close()
        return total

    async def _serve(self, number: int, agent: Agent[Any]) -> None:
        """Shift after shift, each relieved by the next, whatever happens."""
        # Agents end their shifts at different times, so that not all change over at once.
        hours = replace(self.hours, minutes=self.hours.minutes * (1 - 0.03 * number))
        before: Post | None = None
        while not self.stopping.is_set():
            post = self._post()
            shift = asyncio.create_task(self._hold(agent, hours, post, before))
            self._shifts.add(shift)
            shift.add_done_callback(self._shifts.discard)
            await post.due.wait()
            before = post

    async def _hold(
        self,
        agent: Agent[Any],
        hours: Hours,
        post: Post,
        before: Post | None = None,
        in_hand: Sequence[Piece] = (),
    ) -> Tally:
        title = shift_title(agent.name, self.owner, self.clock())

        async def body(recorder: Recorder) -> Tally:
            if before is not None:
                before.over.set()
                await before.ended.wait()
            relief = None if hours.until_idle else post.due.set
            shift = Shift(agent, recorder, self._slots, hours, post.over, relief)
            tally = await shift.run(in_hand)
            if tally.pieces:
                log.info("%s: %s", title, tally)
            return tally

        try:
            return await self.desk.hold(agent.name, title, body)
        except Exception:
            log.exception("%s broke off; the next begins soon", title)
            await asyncio.sleep(TROUBLE_SECONDS)
            return Tally()
        finally:
            self._posts.discard(post)
            post.ended.set()
            post.due.set()

    def _post(self) -> Post:
        post = Post()
        self._posts.add(post)
        return post

    def _call_relief(self) -> None:
        for post in self._posts:
            post.due.set()

    def _scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        for roster in (agent for agent in self.agents if isinstance(agent, Roster)):
            for row in self.rows:
                scheduler.add_job(
                    roster.ask, "interval", args=[row], id=row.name,
                    seconds=row.period_seconds, next_run_time=self.clock(),
                )  # fmt: skip
        return scheduler


def _enough_threads() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "work"))
