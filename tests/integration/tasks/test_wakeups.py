"""Wake-ups: a waiter in another process learns within a second, and misses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tasks.store import schema, seed
from tasks.store.books import Books, wake
from tasks.store.topics import Topic
from tasks.store.wakeups import Mark, Waker
from tests.integration.tasks.racers import Racers

NEWS, OTHER = Topic.JOB_ACTIVATED, Topic.TASK_READY


@pytest.fixture
def waker(books: Books) -> Iterator[Waker]:
    one = Waker(books)
    _settled(one)
    yield one
    one.close()


def _settled(waker: Waker) -> Mark:
    """A mark of a waker that listens: its first look at the books is news, too."""
    waker.wait(Topic, 2, waker.mark())
    return waker.mark()


def tell(books: Books, *topics: Topic) -> None:
    with books.write() as session:
        wake(session, *topics)


def test_waiter_learns_of_another_process_within_a_second(
    books: Books, waker: Waker, racers: Racers
) -> None:
    mark = waker.mark()
    told = racers.do(books.url, "wake", topic=str(NEWS), after_seconds=0.2)
    assert waker.wait([NEWS], 20, mark)
    came = time.time()
    assert came - told.result(timeout=20) < 1


def test_only_ones_own_topics_are_news(books: Books, waker: Waker) -> None:
    mark = waker.mark()
    tell(books, OTHER)
    assert not waker.wait([NEWS], 0.3, mark)
    assert waker.wait([OTHER], 5, mark)


def test_news_between_the_mark_and_the_wait_is_not_lost(books: Books, waker: Waker) -> None:
    for _ in range(5):
        mark = waker.mark()
        tell(books, NEWS)
        assert waker.wait([NEWS], 5, mark)


def tell_and_fail(books: Books) -> None:
    with books.write() as session:
        wake(session, NEWS)
        raise ZeroDivisionError


def test_news_of_a_transaction_that_failed_is_none(books: Books, waker: Waker) -> None:
    mark = waker.mark()
    with pytest.raises(ZeroDivisionError):
        tell_and_fail(books)
    assert not waker.wait([NEWS], 0.3, mark)


def test_every_waiter_is_woken(books: Books, waker: Waker) -> None:
    mark = waker.mark()
    came: list[bool] = []
    waiters = [Thread(target=lambda: came.append(waker.wait([NEWS], 10, mark))) for _ in range(8)]
    for one in waiters:
        one.start()
    tell(books, NEWS)
    for one in waiters:
        one.join(20)
    assert came == [True] * 8


def test_coroutines_wait_without_holding_the_loop(books: Books, waker: Waker) -> None:
    async def scene() -> tuple[bool, bool, int]:
        mark, ticks = waker.mark(), 0
        waits = asyncio.create_task(waker.wait_async([NEWS], 10, mark))
        never = asyncio.create_task(waker.wait_async([OTHER], 0.3, mark))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(tell, books, NEWS)
        while not waits.done():
            ticks += 1
            await asyncio.sleep(0.005)
        return await waits, await never, ticks

    came, other, _ = asyncio.run(scene())
    assert (came, other) == (True, False)


def test_connection_that_is_cut_is_made_again(books: Books, waker: Waker) -> None:
    if books.is_sqlite:
        pytest.skip("SQLite has no connection to cut")
    with books.read() as session:
        cut = session.connection().exec_driver_sql(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
        ).scalar_one()  # fmt: skip
    assert cut == 1
    # Whatever was said meanwhile may be lost: everything counts as news when it is back.
    assert waker.wait([NEWS], 10, waker.mark())
    mark = _settled(waker)
    tell(books, NEWS)
    assert waker.wait([NEWS], 5, mark)


def test_waker_that_starts_before_the_schema_works_after_it(books_url: str, tmp_path: Path) -> None:
    with Books(books_url) as books:
        waker = Waker(books)
        try:
            waker.wait([NEWS], 0.2, waker.mark())
            schema.upgrade(books)
            seed.seed(books, tmp_path)
            mark = _settled(waker)
            tell(books, NEWS)
            assert waker.wait([NEWS], 5, mark)
        finally:
            waker.close()


def test_closing_lets_waiters_go(books: Books, waker: Waker) -> None:
    waits = Thread(target=waker.wait, args=([NEWS], 60, waker.mark()))
    waits.start()
    waker.close()
    waits.join(5)
    assert not waits.is_alive()
