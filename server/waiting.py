"""Long polls: requests that wait for news, bounded in number, let go when their client leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from culm.core.errors import Busy
from tasks.store.topics import Topic
from tasks.store.wakeups import Mark, Waker

T = TypeVar("T")

MOST_WAITERS = 5000
MOST_OF_ONE = 64
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.5
SWEEP_SECONDS = 10.0
"""A waiter looks at the rows this often even if nothing woke it."""


class Waiters:
    """The long polls of this process."""

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._of: Counter[str] = Counter()
        self._going_down = asyncio.Event()

    @property
    def count(self) -> int:
        """How many requests wait now."""
        return self._of.total()

    def let_go(self) -> None:
        """Let every waiter answer with what there is: the server goes down."""
        self._going_down.set()

    async def until(
        self,
        topics: tuple[Topic, ...],
        timeout_seconds: float,
        look: Callable[[], Awaitable[T | None]],
        who: str,
    ) -> T | None:
        """What `look` finds, at once or after news of the topics; None if nothing came in time.

        Raises:
            Busy: too many requests wait already.
        """
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + timeout_seconds, FIRST_PAUSE_SECONDS
        mark = self._waker.mark()
        found = await look()
        if found is not None or timeout_seconds <= 0:
            return found
        with self._place(who):
            while (left := end - loop.time()) > 0 and not self._going_down.is_set():
                await self._news(topics, min(left, SWEEP_SECONDS), mark)
                mark = self._waker.mark()
                found = await look()
                if found is not None:
                    return found
                # News that was for others: many waiters must not ask again for each of it.
                await asyncio.sleep(min(pause, max(0.0, end - loop.time())))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return None

    async def _news(self, topics: tuple[Topic, ...], seconds: float, mark: Mark) -> None:
        waiting = asyncio.ensure_future(self._waker.wait_async(topics, seconds, mark))
        going = asyncio.ensure_future(self._going_down.wait())
        try:
            await asyncio.wait({waiting, going}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(waiting, going)

    @contextmanager
    def _place(self, who: str) -> Iterator[None]:
        if self._of.total() >= MOST_WAITERS or self._of[who] >= MOST_OF_ONE:
            raise Busy("too many requests wait already", hint="ask again later, or wait with fewer")
        self._of[who] += 1
        try:
            yield
        finally:
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is given up when the client goes away. The body must be read.

    Raises:
        ClientDisconnect: the client has gone.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        await _end(working, gone)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _end(*futures: asyncio.Future[Any]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
