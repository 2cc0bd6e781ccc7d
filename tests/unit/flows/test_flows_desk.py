"""The desk: recorded or not, said once, and no work lost or done twice whatever Prefect does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from flows import desk as desk_module
from flows.desk import Desk
from flows.recorder import Recorder, Unrecorded
from flows.shift import Tally

Body = Callable[[], Awaitable[object]]


class Marked(Unrecorded):
    """A recorder that tests know again."""


class FakeEngine:
    """Prefect that does what the test says: `run` is `before`, the body, `after`."""

    def __init__(self, before: Body | None = None, after: Body | None = None,
                 calls_body: int = 1) -> None:  # fmt: skip
        self.before, self.after, self.calls_body = before, after, calls_body
        self.titles: list[str] = []

    async def recorder(self) -> Recorder:
        return Marked()

    async def run(self, name: str, title: str, body: Body) -> None:
        self.titles.append(title)
        if self.before:
            await self.before()
        for _ in range(self.calls_body):
            await body()
        if self.after:
            await self.after()


class Work:
    """A shift that notes with which recorder it ran."""

    def __init__(self) -> None:
        self.recorders: list[str] = []

    async def __call__(self, recorder: Recorder) -> Tally:
        self.recorders.append(type(recorder).__name__)
        return Tally(pieces=1)


def answers(*given: bool | None) -> Callable[[], Awaitable[bool | None]]:
    left = list(given)

    async def probe() -> bool | None:
        return left.pop(0) if len(left) > 1 else left[0]

    return probe


async def fail() -> None:
    raise ConnectionError("Prefect went away")


def hold(engine: FakeEngine | None, answer: bool | None = True) -> tuple[Work, Tally, Desk]:
    work = Work()

    async def scene() -> tuple[Tally, Desk]:
        desk = Desk(engine, answers(answer), where="http://prefect")
        await desk.look()
        tally = await desk.hold("refine", "refine shift", work)
        await desk.close()
        return tally, desk

    tally, desk = asyncio.run(scene())
    return work, tally, desk


def test_shift_is_recorded_while_prefect_answers() -> None:
    engine = FakeEngine()

    work, tally, _ = hold(engine)

    assert (work.recorders, tally.pieces, engine.titles) == (["Marked"], 1, ["refine shift"])


@pytest.mark.parametrize("answer", [False, None])
def test_shift_is_unrecorded_while_prefect_is_down_or_silent(answer: bool | None) -> None:
    engine = FakeEngine()

    work, _, _ = hold(engine, answer)

    assert (work.recorders, engine.titles) == (["Unrecorded"], [])


def test_without_prefect_nothing_is_recorded_and_nothing_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work, _, _ = hold(None)

    assert (work.recorders, caplog.records) == (["Unrecorded"], [])


@pytest.mark.parametrize(
    "engine",
    [
        FakeEngine(after=fail),
        FakeEngine(calls_body=2),
        FakeEngine(after=lambda: asyncio.sleep(0.05)),
    ],
    ids=["fails at the end", "calls the work twice", "is slow at the end"],
)
def test_work_is_done_once_whatever_prefect_does_after_it(engine: FakeEngine) -> None:
    work, tally, _ = hold(engine)

    assert (work.recorders, tally.pieces) == (["Marked"], 1)


def test_prefect_that_fails_at_the_start_costs_only_the_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work, tally, desk = hold(FakeEngine(before=fail))

    assert (work.recorders, tally.pieces, desk.recording) == (["Unrecorded"], 1, False)
    [warning] = [r.getMessage() for r in caplog.records]
    assert "takes no flow run (Prefect went away): work goes on unrecorded" in warning


def test_prefect_that_hangs_at_the_start_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_module, "START_SECONDS", 0.05)
    engine = FakeEngine(before=lambda: asyncio.sleep(0.2))

    work, tally, _ = hold(engine)

    assert (work.recorders, tally.pieces) == (["Unrecorded"], 1)


def test_changes_are_said_once_and_end_the_shifts(caplog: pytest.LogCaptureFixture) -> None:
    changes = []

    async def scene() -> None:
        probe = answers(True, False, False, None, True, True)
        desk = Desk(FakeEngine(), probe, lambda: changes.append(desk.recording), "http://prefect")
        for _ in range(6):
            await desk.look()

    asyncio.run(scene())

    assert changes == [True, False, True]
    assert [r.getMessage() for r in caplog.records] == [
        "Prefect's server http://prefect does not answer: work goes on unrecorded",
        "Prefect's server http://prefect is back: shifts are recorded again",
    ]


def test_one_slow_answer_changes_nothing() -> None:
    async def scene() -> list[bool]:
        desk = Desk(FakeEngine(), answers(True, None, None, None, None))
        return [await desk.look() for _ in range(5)]

    assert asyncio.run(scene()) == [True, True, True, False, False]
