"""Recorders: who keeps the picture of what a shift does. The work never depends on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]


class Recorder(Protocol):
    """Shows one piece of work after the other to people."""

    async def record(self, kind: str, title: str, work: Work[T]) -> T:
        """The result of `work`, which runs exactly once and is shown under `title`.

        Raises:
            Exception: what the work raised, never a failure of the recording.
        """
        ...


class Unrecorded:
    """Shows nothing: Prefect is not wanted, or its server is away."""

    async def record(self, kind: str, title: str, work: Work[T]) -> T:
        """The result of `work`."""
        return await work()
