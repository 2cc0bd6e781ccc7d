"""The daemon: shifts that relieve each other, rows by the clock, a clean stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from culm.core.errors import InvalidRequest
from flows.agent import Piece
from flows.command import chosen
from flows.daemon import Daemon
from flows.desk import Desk
from flows.shift import Hours
from tasks.stages import STAGES


class Pile:
    """An agent with a pile of numbered pieces; notes which were worked on."""

    name = "refine"

    def __init__(self, count: int, work_seconds: float = 0.0) -> None:
        self.left = list(range(count))
        self.done: list[int] = []
        self.given_back: list[str] = []
        self.work_seconds = work_seconds

    async def take(self) -> Sequence[Piece]:
        taken, self.left = self.left[:2], self.left[2:]
        return [Piece(title=str(n), work=self._work(n)) for n in taken]

    def _work(self, number: int) -> Callable[[], str]:
        def work() -> str:
            threading.Event().wait(self.work_seconds)
            self.done.append(number)
            return ""

        return work

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))

    async def settle(self, piece: Piece, error: Exception | None) -> None:
        return

    async def give_back(self, pieces: Sequence[Piece]) -> None:
        self.given_back += [piece.title for piece in pieces]


async def never_up() -> bool:
    return False


def a_daemon(pile: Pile, **hours: float) -> Daemon:
    desk = Desk(None, never_up)
    return Daemon([pile], desk, "host:1:ab", 2, Hours(**hours), rows=())  # type: ignore[arg-type]


async def stopped_when(daemon: Daemon, condition: Callable[[], bool]) -> None:
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
    daemon.stop()
    await asyncio.wait_for(running, 10)


def test_shifts_relieve_each_other_and_each_piece_is_done_once() -> None:
    pile = Pile(41)

    asyncio.run(stopped_when(a_daemon(pile, batches=3), lambda: len(pile.done) == 41))

    assert sorted(pile.done) == list(range(41))


def test_stop_finishes_the_pieces_in_hand() -> None:
    pile = Pile(40, work_seconds=0.05)

    asyncio.run(stopped_when(a_daemon(pile), lambda: len(pile.done) >= 3))

    taken = 40 - len(pile.left)
    assert len(pile.done) + len(pile.given_back) == taken
    assert len(pile.done) < 10


def test_once_ends_when_nothing_is_left() -> None:
    pile = Pile(7)

    tally = asyncio.run(a_daemon(pile).run_once())

    assert (tally.pieces, tally.batches, sorted(pile.done)) == (7, 4, list(range(7)))


def test_all_agents_are_chosen_unless_some_are_named() -> None:
    assert chosen("") == [*STAGES, "watchdogs"]
    assert chosen("", once=True) == list(STAGES)
    assert chosen(" feed, refine,feed") == ["feed", "refine"]


def test_unknown_agent_names_the_nearest() -> None:
    with pytest.raises(InvalidRequest, match="refine") as raised:
        chosen("refin")
    assert raised.value.exit_code == 2
