"""The roster: rows that are due, each once, and a failing one left alone."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from flows import roster as roster_module
from flows.roster import Roster
from flows.table import Row
from tasks.store.books import Books

NO_BOOKS = cast(Books, None)
FAST = Row(name="fast", words="", function="x:y", period_seconds=1)
SLOW = Row(name="slow", words="", function="x:z", period_seconds=60)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def run_row(row: Row, _books: Books, _owner: str) -> str:
        names.append(row.name)
        return f"{row.name} ran"

    monkeypatch.setattr(roster_module, "run_row", run_row)
    return names


def test_rows_that_are_due_are_taken_once(ran: list[str]) -> None:
    async def scene() -> None:
        roster = Roster(NO_BOOKS, "me")
        asked = [asyncio.create_task(roster.ask(row)) for row in (FAST, SLOW)]
        await roster.wait(5)
        await asyncio.sleep(0)
        pieces = await roster.take()
        assert [piece.title for piece in pieces] == ["fast", "slow"]
        assert await roster.take() == []
        for piece in pieces:
            assert piece.work() == f"{piece.title} ran"
            await roster.settle(piece, None)
        await asyncio.gather(*asked)

    asyncio.run(scene())
    assert ran == ["fast", "slow"]


def test_row_that_failed_is_left_alone_for_a_while(ran: list[str]) -> None:
    async def scene() -> None:
        roster = Roster(NO_BOOKS, "me")
        asked = asyncio.create_task(roster.ask(FAST))
        await roster.wait(5)
        [piece] = await roster.take()
        await roster.settle(piece, ValueError("no"))
        await asked
        await roster.ask(FAST)
        assert await roster.take() == []

    asyncio.run(scene())


def test_row_given_back_lets_its_timer_go_on(ran: list[str]) -> None:
    async def scene() -> None:
        roster = Roster(NO_BOOKS, "me")
        asked = asyncio.create_task(roster.ask(FAST))
        await roster.wait(5)
        await roster.give_back(await roster.take())
        await asyncio.wait_for(asked, 1)

    asyncio.run(scene())
    assert ran == []
