"""Work between us and an engine that may fail at any moment."""

from __future__ import annotations

import asyncio

import pytest

from flows.once import Once, WorkRevokedError


def test_work_runs_once_for_any_number_of_callers() -> None:
    calls = []

    async def work() -> str:
        calls.append(1)
        await asyncio.sleep(0.01)
        return "result"

    async def scene() -> list[str]:
        once = Once(work)
        return await asyncio.gather(once(), once(), once())

    assert asyncio.run(scene()) == ["result"] * 3
    assert calls == [1]


def test_every_caller_gets_the_error() -> None:
    async def work() -> None:
        raise ValueError("poison")

    async def scene() -> None:
        once = Once(work)
        for _ in range(2):
            with pytest.raises(ValueError, match="poison"):
                await once()
        assert once.done

    asyncio.run(scene())


def test_cancelled_caller_does_not_stop_the_work() -> None:
    async def work() -> str:
        await asyncio.sleep(0.02)
        return "result"

    async def scene() -> str:
        once = Once(work)
        caller = asyncio.create_task(once())
        await once.started.wait()
        caller.cancel()
        return await once()

    assert asyncio.run(scene()) == "result"


def test_revoked_work_never_starts() -> None:
    async def scene() -> None:
        once = Once(lambda: asyncio.sleep(0))
        assert once.revoke()
        with pytest.raises(WorkRevokedError):
            await once()

    asyncio.run(scene())


def test_work_that_has_started_is_not_revoked() -> None:
    async def scene() -> bool:
        once = Once(lambda: asyncio.sleep(0))
        await once()
        return once.revoke()

    assert not asyncio.run(scene())
