"""A shift: batches, failures, ends; no database and no Prefect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from culm.core.errors import LeaseLost
from flows.agent import Piece
from flows.recorder import T, Unrecorded, Work
from flows.shift import Hours, Shift, Tally


class ListAgent:
    """Gives these batches, one after the other, and notes what became of each piece."""

    name = "refine"

    def __init__(self, *batches: Sequence[Piece]) -> None:
        self.batches = list(batches)
        self.settled: list[tuple[str, str]] = []
        self.given_back: list[str] = []
        self.waits = 0
        self.broken_takes = 0

    async def take(self) -> Sequence[Piece]:
        if self.broken_takes:
            self.broken_takes -= 1
            raise OSError("the database is away")
        return self.batches.pop(0) if self.batches else ()

    async def wait(self, seconds: float) -> None:
        self.waits += 1
        await asyncio.sleep(min(seconds, 60))

    async def settle(self, piece: Piece, error: Exception | None) -> None:
        self.settled.append((piece.title, "" if error is None else str(error)))

    async def give_back(self, pieces: Sequence[Piece]) -> None:
        self.given_back += [piece.title for piece in pieces]


def a_piece(title: str, error: Exception | None = None) -> Piece:
    def work() -> str:
        if error is not None:
            raise error
        return "done"

    return Piece(title=title, work=work)


def a_shift(agent: ListAgent, at_once: int = 2, **hours: object) -> Shift[Piece]:
    chosen = Hours(**{"until_idle": True, **hours})  # type: ignore[arg-type]
    return Shift(agent, Unrecorded(), asyncio.Semaphore(at_once), chosen)


def test_shift_works_on_batch_after_batch_until_nothing_is_left() -> None:
    agent = ListAgent([a_piece("a"), a_piece("b")], [a_piece("c")])

    tally = asyncio.run(a_shift(agent).run())

    assert tally == Tally(batches=2, pieces=3, failed=0)
    assert sorted(agent.settled) == [("a", ""), ("b", ""), ("c", "")]


def test_shift_begins_with_what_is_in_hand() -> None:
    agent = ListAgent()

    tally = asyncio.run(a_shift(agent).run([a_piece("x")]))

    assert (tally.pieces, agent.settled) == (1, [("x", "")])


def test_failed_piece_is_settled_as_failed_and_the_shift_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = ListAgent([a_piece("bad", ValueError("poison")), a_piece("good")], [a_piece("next")])

    tally = asyncio.run(a_shift(agent).run())

    assert (tally.pieces, tally.failed, str(tally.last_error)) == (3, 1, "poison")
    assert ("bad", "poison") in agent.settled
    assert ("next", "") in agent.settled
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == ["bad failed"]


def test_lost_lease_is_no_failure() -> None:
    agent = ListAgent([a_piece("a", LeaseLost("taken over"))])

    tally = asyncio.run(a_shift(agent).run())

    assert (tally.failed, agent.settled) == (0, [("a", "")])


def test_shift_ends_after_so_many_batches() -> None:
    agent = ListAgent(*[[a_piece(str(i))] for i in range(5)])

    tally = asyncio.run(a_shift(agent, batches=3).run())

    assert (tally.batches, len(agent.batches)) == (3, 2)


def test_shift_ends_when_its_time_is_over() -> None:
    agent = ListAgent()

    tally = asyncio.run(a_shift(agent, minutes=0.001, until_idle=False).run())

    assert (tally.batches, agent.waits) == (0, 1)


def test_claim_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.shift.LONGEST_TROUBLE_SECONDS", 0.01)
    agent = ListAgent([a_piece("a")])
    agent.broken_takes = 3

    tally = asyncio.run(a_shift(agent).run())

    assert tally.pieces == 1


def test_end_of_shift_finishes_the_piece_in_hand_and_gives_back_the_others() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(10)
        return "done"

    agent = ListAgent([Piece(title="slow", work=slow), a_piece("b"), a_piece("c")])

    async def scene() -> Tally:
        shift = a_shift(agent, at_once=1)
        running = asyncio.create_task(shift.run())
        await asyncio.to_thread(begun.wait, 10)
        shift.over.set()
        go_on.set()
        return await running

    tally = asyncio.run(scene())

    assert tally.pieces == 1
    assert (agent.settled, agent.given_back) == ([("slow", "")], ["b", "c"])


def test_pieces_run_at_most_so_many_at_once() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def work() -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        return ""

    agent = ListAgent([Piece(title=str(i), work=work) for i in range(12)])

    asyncio.run(a_shift(agent, at_once=3).run())

    assert most == [3]


class NotingRecorder(Unrecorded):
    """Notes the titles that it is asked to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    async def record(self, kind: str, title: str, work: Work[T]) -> T:
        self.shown.append(title)
        return await super().record(kind, title, work)


def test_routine_piece_is_shown_only_when_it_did_something() -> None:
    idle = Piece(title="lost_jobs", work=lambda: "", routine=True)
    busy = Piece(title="lost_jobs", work=lambda: "2 jobs lost", routine=True)
    recorder = NotingRecorder()
    agent = ListAgent([idle], [busy], [a_piece("refine 1")])

    asyncio.run(Shift(agent, recorder, asyncio.Semaphore(1), Hours(until_idle=True)).run())

    assert recorder.shown == ["lost_jobs: 2 jobs lost", "refine 1"]
    assert [title for title, _ in agent.settled] == ["lost_jobs", "lost_jobs", "refine 1"]
