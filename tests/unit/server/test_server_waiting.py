"""Long polls: bounded, woken, let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from culm.core.errors import Busy
from server import waiting
from server.waiting import Waiters, unless_gone
from tasks.store.topics import Topic

TOPICS = (Topic.JOB_ACTIVATED,)


class ToyWaker:
    """Wakes who waits when it is told to."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def mark(self) -> dict[str, int]:
        self.news.clear()
        return {}

    async def wait_async(self, _topics: Any, seconds: float, _mark: Any) -> bool:
        try:
            await asyncio.wait_for(self.news.wait(), seconds)
        except TimeoutError:
            return False
        return True


def run(scene: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(scene, 10))


async def nothing() -> None:
    return None


def test_what_is_there_is_answered_at_once() -> None:
    async def scene() -> Any:
        async def look() -> str:
            return "work"

        waiters = Waiters(ToyWaker())  # type: ignore[arg-type]
        return await waiters.until(TOPICS, 60, look, "pilot:1"), waiters.count

    assert run(scene()) == ("work", 0)


def test_news_make_it_look_again() -> None:
    async def scene() -> Any:
        waker, found = ToyWaker(), [None, None, "work"]
        waiters = Waiters(waker)  # type: ignore[arg-type]

        async def look() -> str | None:
            return found.pop(0)

        task = asyncio.ensure_future(waiters.until(TOPICS, 60, look, "p"))
        for _ in range(2):
            await asyncio.sleep(0.05)
            assert waiters.count == 1
            waker.news.set()
        return await task, waiters.count

    assert run(scene()) == ("work", 0)


def test_without_news_it_ends_in_time() -> None:
    async def scene() -> Any:
        waiters = Waiters(ToyWaker())  # type: ignore[arg-type]
        return await waiters.until(TOPICS, 0.2, nothing, "p")

    started = time.monotonic()
    assert run(scene()) is None
    assert 0.2 <= time.monotonic() - started < 2


def test_missed_wake_up_is_made_good_by_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SWEEP_SECONDS", 0.1)

    async def scene() -> Any:
        found = [None, "work"]

        async def look() -> str | None:
            return found.pop(0)

        return await Waiters(ToyWaker()).until(TOPICS, 60, look, "p")  # type: ignore[arg-type]

    assert run(scene()) == "work"


def test_number_of_waiters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_OF_ONE", 2)
    monkeypatch.setattr(waiting, "MOST_WAITERS", 3)

    async def scene() -> Any:
        waiters = Waiters(ToyWaker())  # type: ignore[arg-type]
        tasks = [asyncio.ensure_future(waiters.until(TOPICS, 60, nothing, who))
                 for who in ("a", "a", "b")]  # fmt: skip
        await asyncio.sleep(0.05)
        for who in ("a", "c"):
            with pytest.raises(Busy):
                await waiters.until(TOPICS, 60, nothing, who)
        waiters.let_go()
        return await asyncio.gather(*tasks), waiters.count

    assert run(scene()) == ([None, None, None], 0)


def test_work_for_a_client_that_leaves_is_given_up() -> None:
    async def scene() -> Any:
        ended = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        async def receive() -> dict[str, str]:
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        with pytest.raises(ClientDisconnect):
            await unless_gone(Request({"type": "http"}, receive), work())
        return ended.is_set()

    assert run(scene())
