"""Shifts against a real Prefect server: found by id, failed runs shown, outages survived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from flows.backoff import Backoff
from flows.daemon import Daemon
from flows.desk import Desk
from flows.prefect_engine import PrefectEngine
from flows.probe import HealthProbe
from flows.shift import Hours
from flows.stage_agent import StageAgent
from tasks.store.books import Books
from tasks.store.wakeups import Waker
from tests.integration.flows.prefect_scene import (
    SQLITE_ONLY,
    PrefectServer,
    prefect_points_at,
    wait_until,
)
from tests.integration.flows.toy_stage import Toy

pytestmark = [pytest.mark.slow, SQLITE_ONLY]


@pytest.fixture(autouse=True)
def _prefect(prefect: PrefectServer) -> Iterator[None]:
    with prefect_points_at(prefect):
        yield


@pytest.fixture
def toy(books: Books) -> Toy:
    return Toy(books)


class Scene:
    """A daemon of one agent over the toy stage, run in this process."""

    def __init__(self, toy: Toy, waker: Waker, api: str, minutes: float = 5.0) -> None:
        self.toy, self.waker, self.api, self.minutes = toy, waker, api, minutes

    async def __aenter__(self) -> Daemon:
        backoff = Backoff(first_seconds=0.3)
        agent = StageAgent(self.toy.stage, self.toy.books, self.waker, "host:1:ab",
                           backoff=backoff)  # fmt: skip
        self.probe = HealthProbe(self.api)
        desk = Desk(PrefectEngine(), self.probe, where=self.api)
        self.daemon = Daemon([agent], desk, "host:1:ab", 2, Hours(minutes=self.minutes))
        self.running = asyncio.create_task(self.daemon.run())
        return self.daemon

    async def __aexit__(self, *_: object) -> None:
        self.daemon.stop()
        await self.running
        await self.probe.close()


async def until(condition: Any, seconds: float = 30.0) -> Any:
    return await asyncio.to_thread(wait_until, condition, seconds)


def test_task_is_found_in_prefect_by_its_id(prefect: PrefectServer, toy: Toy,
                                            waker: Waker) -> None:  # fmt: skip
    async def scene() -> None:
        async with Scene(toy, waker, prefect.api):
            toy.add(10_000_901, 10_000_902)
            await until(lambda: toy.done() == {10_000_901: 1, 10_000_902: 1})

    asyncio.run(scene())

    [run] = wait_until(lambda: ended(prefect.task_runs("10000901")))
    assert (run["name"], run["state_type"]) == (
        "refine 10000901 user.alice.toy10000901",
        "COMPLETED",
    )
    assert run["tags"] == []
    [shift] = wait_until(
        lambda: ended(prefect.find("flow_runs", flow_runs={"id": {"any_": [run["flow_run_id"]]}}))
    )
    assert shift["name"].startswith("refine shift host:1:ab 20")
    assert shift["state_type"] == "COMPLETED"
    lines = wait_until(lambda: prefect.find("logs", logs={"task_run_id": {"any_": [run["id"]]}}))
    assert any("row 10000901 moved" in line["message"] for line in lines)


def running_shifts(prefect: PrefectServer) -> list[dict[str, Any]]:
    return [run for run in prefect.flow_runs(" shift ") if run["state_type"] == "RUNNING"]


def ended(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    return [run for run in runs if run["state_type"] in final]


def test_poisoned_row_is_shown_as_failed_put_off_and_stops_nobody(
    prefect: PrefectServer, toy: Toy, waker: Waker, caplog: pytest.LogCaptureFixture
) -> None:
    toy.poisoned = {10_000_911}

    async def scene() -> None:
        async with Scene(toy, waker, prefect.api):
            toy.add(10_000_911, 10_000_912, times=1)
            await until(lambda: toy.done()[10_000_912] == 1)
            await until(lambda: len(failures(caplog)) >= 2)
            toy.poisoned = set()
            await until(lambda: toy.done()[10_000_911] == 1)

    asyncio.run(scene())

    runs = wait_until(
        lambda: found if len(found := ended(prefect.task_runs("10000911"))) >= 3 else 0
    )
    states = [run["state_type"] for run in sorted(runs, key=lambda run: str(run["start_time"]))]
    assert states[-1] == "COMPLETED"
    assert set(states[:-1]) == {"FAILED"}
    # Put off for longer each time: a few attempts, not a busy loop.
    assert len(states) <= 6


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().endswith("failed")]


def test_prefect_killed_in_mid_shift_costs_only_pictures(
    prefect: PrefectServer, toy: Toy, waker: Waker, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("flows.desk.LOOK_SECONDS", 0.3)
    caplog.set_level(logging.WARNING, "flows.desk")

    async def scene() -> None:
        async with Scene(toy, waker, prefect.api) as daemon:
            toy.add(10_000_921)
            await until(lambda: toy.done()[10_000_921] == 1)
            assert daemon.desk.recording
            await asyncio.to_thread(prefect.kill)
            toy.add(*range(10_000_930, 10_000_960))
            await until(lambda: set(toy.done().values()) == {1})
            await until(lambda: not daemon.desk.recording)
            toy.add(10_000_922)
            await until(lambda: toy.done()[10_000_922] == 1)
            await asyncio.to_thread(prefect.start)
            lost = {run["id"] for run in running_shifts(prefect)}
            # The unrecorded shift works on until the next one has begun in Prefect.
            await until(lambda: {run["id"] for run in running_shifts(prefect)} - lost)
            toy.add(10_000_923)
            await until(lambda: toy.done()[10_000_923] == 1)

    asyncio.run(scene())

    assert sorted(toy.worked) == sorted(toy.done()), "each row was worked on exactly once"
    assert [r.getMessage().split(": ")[-1] for r in caplog.records if r.name == "flows.desk"] == [
        "work goes on unrecorded",
        "shifts are recorded again",
    ]
    assert wait_until(lambda: ended(prefect.task_runs("10000923")), 30)
    assert prefect.task_runs("10000922") == []
