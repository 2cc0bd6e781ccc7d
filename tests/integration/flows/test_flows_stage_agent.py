"""The agent of a stage over real books, without Prefect: leases, back-off, wake-ups."""

from __future__ import annotations

import asyncio
import time

import pytest

from culm.core.errors import Busy
from flows.backoff import Backoff
from flows.recorder import Unrecorded
from flows.shift import Hours, Shift, Tally
from flows.stage_agent import StageAgent
from tasks.store.books import Books
from tasks.store.wakeups import Waker
from tests.integration.flows.toy_stage import Toy


@pytest.fixture
def toy(books: Books) -> Toy:
    return Toy(books)


def an_agent(toy: Toy, waker: Waker, owner: str = "a") -> StageAgent:
    return StageAgent(toy.stage, toy.books, waker, owner, backoff=Backoff(first_seconds=60))


def work_off(agent: StageAgent) -> Tally:
    shift = Shift(agent, Unrecorded(), asyncio.Semaphore(2), Hours(until_idle=True))
    return asyncio.run(shift.run())


def test_two_agents_never_have_the_same_task(toy: Toy, waker: Waker) -> None:
    toy.add(*range(1, 31))

    async def scene() -> list[int]:
        first, second = (an_agent(toy, waker, owner) for owner in "ab")
        return [p.claim.task_id for agent in (first, second) for p in await agent.take()]

    claimed = asyncio.run(scene())

    assert sorted(claimed) == list(range(1, 31))


def test_failed_task_is_kept_from_all_agents_and_others_go_on(toy: Toy, waker: Waker) -> None:
    toy.add(1, 2, 3)
    toy.poisoned = {2}

    tally = work_off(an_agent(toy, waker))

    assert (tally.pieces, tally.failed, toy.done()) == (3, 1, {1: 1, 2: 0, 3: 1})
    assert work_off(an_agent(toy, waker, "b")).pieces == 0


def test_task_that_could_not_be_settled_is_free_once_the_database_is_back(
    toy: Toy, waker: Waker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Busy("the database does not answer")

    async def scene() -> None:
        [piece] = await agent.take()
        with pytest.raises(Busy):
            await agent.settle(piece, Busy("the database does not answer"))

    toy.add(1)
    agent = an_agent(toy, waker)
    with monkeypatch.context() as patched:
        patched.setattr("flows.stage_agent.postpone", away)
        asyncio.run(scene())

    assert (work_off(agent).pieces, toy.done()) == (1, {1: 1})


def test_task_that_is_ready_without_end_does_not_spin(
    toy: Toy, waker: Waker, caplog: pytest.LogCaptureFixture
) -> None:
    toy.add(1, 2)
    toy.lazy = {1}

    tally = work_off(an_agent(toy, waker))

    assert (toy.worked.count(1), toy.done()[2], tally.failed) == (5, 1, 0)
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "refine 1 user.alice.toy1: ready again and again, though nothing is done to it"
    ]


def test_ids_narrow_what_is_taken(toy: Toy, waker: Waker) -> None:
    toy.add(1, 2, 3)
    agent = an_agent(toy, waker)
    agent.task_ids = [2, 4]

    work_off(agent)

    assert toy.done() == {1: 0, 2: 1, 3: 0}


def test_waiting_agent_is_woken_by_a_commit(toy: Toy, waker: Waker) -> None:
    async def scene() -> float:
        agent = an_agent(toy, waker)
        shift = Shift(agent, Unrecorded(), asyncio.Semaphore(2), Hours(minutes=1))
        running = asyncio.create_task(shift.run())
        await asyncio.sleep(0.2)
        started = time.monotonic()
        await asyncio.to_thread(toy.add, 1)
        while not toy.worked:
            await asyncio.sleep(0.005)
        took = time.monotonic() - started
        shift.over.set()
        await running
        return took

    # The sweep alone would take five seconds.
    assert asyncio.run(scene()) < 3


def test_stage_that_gathers_takes_together_what_comes_meanwhile(toy: Toy, waker: Waker) -> None:
    toy.gather_seconds = 2.0

    async def scene() -> tuple[list[int], list[int]]:
        agent = an_agent(toy, waker)
        toy.add(1)
        at_once = await agent.take()
        taking = asyncio.create_task(agent.take())
        for new in (2, 3):
            await asyncio.to_thread(toy.add, new)
        together = await taking
        return [p.claim.task_id for p in at_once], [p.claim.task_id for p in together]

    assert asyncio.run(scene()) == ([1], [2, 3])


def test_stage_that_rests_takes_up_together_what_came_while_it_worked(
    toy: Toy, waker: Waker
) -> None:
    toy.rests = 1000.0
    toy.during = lambda _: time.sleep(0.01)

    async def scene() -> list[int]:
        agent = an_agent(toy, waker)
        toy.add(1)
        (piece,) = await agent.take()
        await asyncio.to_thread(piece.work)
        taking = asyncio.create_task(agent.take())
        for new in (2, 3):
            await asyncio.to_thread(toy.add, new)
        return [p.claim.task_id for p in await taking]

    assert asyncio.run(scene()) == [2, 3]
