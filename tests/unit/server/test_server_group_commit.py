"""Group commit: many requests, one transaction; one bad one harms no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from culm.core.errors import Busy, NotFound
from server.group_commit import MOST_ITEMS, GroupWriter


class ToyBooks:
    """Books that only count; a transaction may be told to fail."""

    def __init__(self) -> None:
        self.commits: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.open = 0

    @contextmanager
    def write(self) -> Iterator[list[Any]]:
        self.gate.wait(10)
        self.open += 1
        assert self.open == 1, "two transactions at once"
        done: list[Any] = []
        try:
            yield done
            if self.fault:
                raise self.fault
            self.commits.append(len(done))
        finally:
            self.open -= 1


def double(session: Any, items: Sequence[int]) -> list[int]:
    for item in items:
        if item < 0:
            raise NotFound(f"no {item}")
        session.append(item)
    return [2 * item for item in items]


def negate(session: Any, items: Sequence[int]) -> list[int]:
    session.extend(items)
    return [-item for item in items]


@pytest.fixture
def books() -> ToyBooks:
    return ToyBooks()


@pytest.fixture
def writer(books: ToyBooks) -> Iterator[GroupWriter]:
    opened = GroupWriter(books)  # type: ignore[arg-type]
    yield opened
    books.gate.set()
    opened.close()


def together(writer: GroupWriter, books: ToyBooks, *calls: tuple[Any, list[int]]) -> list[Any]:
    """The outcomes of calls that all wait before the first transaction begins."""

    async def run() -> list[Any]:
        books.gate.clear()
        blocker = asyncio.ensure_future(writer.do(negate, [0]))
        await asyncio.sleep(0.05)
        futures = [asyncio.ensure_future(writer.do(verb, items)) for verb, items in calls]
        await asyncio.sleep(0.05)
        books.gate.set()
        await blocker
        return list(await asyncio.gather(*futures, return_exceptions=True))

    return asyncio.run(run())


def test_requests_that_arrive_together_share_a_transaction(
    writer: GroupWriter, books: ToyBooks
) -> None:
    calls = [(double, [n]) for n in range(50)] + [(negate, [n, n]) for n in range(10)]
    outcomes = together(writer, books, *calls)
    assert outcomes == [[2 * n] for n in range(50)] + [[-n, -n] for n in range(10)]
    assert books.commits == [1, 70]


def test_one_that_fails_does_not_fail_the_others(writer: GroupWriter, books: ToyBooks) -> None:
    outcomes = together(writer, books, (double, [1]), (double, [-5]), (double, [3]))
    assert outcomes[0] == [2]
    assert isinstance(outcomes[1], NotFound)
    assert outcomes[2] == [6]
    assert books.commits == [1, 1, 1]


def test_database_that_is_away_fails_all_at_once(writer: GroupWriter, books: ToyBooks) -> None:
    books.fault = Busy("away")

    async def run() -> list[Any]:
        calls = [writer.do(double, [n]) for n in range(20)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    assert all(isinstance(outcome, Busy) for outcome in asyncio.run(run()))
    books.fault = None
    assert asyncio.run(writer.do(double, [4])) == [8]


def test_batches_have_a_limit(writer: GroupWriter, books: ToyBooks) -> None:
    together(writer, books, *[(double, list(range(100))) for _ in range(12)])
    assert books.commits == [1, MOST_ITEMS, MOST_ITEMS, 200]


def test_answer_for_a_client_that_left_is_dropped(writer: GroupWriter, books: ToyBooks) -> None:
    async def run() -> list[int]:
        books.gate.clear()
        gone = asyncio.ensure_future(writer.do(double, [1]))
        await asyncio.sleep(0.05)
        gone.cancel()
        books.gate.set()
        return await writer.do(double, [2])

    assert asyncio.run(run()) == [4]


def test_verb_with_too_few_answers_is_a_bug(writer: GroupWriter) -> None:
    with pytest.raises(RuntimeError, match="0 answers to 1 items"):
        asyncio.run(writer.do(lambda _session, _items: [], [1]))


def test_closed_writer_finishes_and_takes_no_more(books: ToyBooks) -> None:
    writer = GroupWriter(books)  # type: ignore[arg-type]
    assert asyncio.run(writer.do(double, [1])) == [2]
    writer.close()
    with pytest.raises(Busy, match="going down"):
        asyncio.run(writer.do(double, [1]))
