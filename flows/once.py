"""Work that is done once, whoever asks for it, and however the asker fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkRevokedError(Exception):
    """The work is not to be started any more: somebody else does it in another way."""


class Once(Generic[T]):
    """A piece of work between us and Prefect's engine.

    The engine may fail before it calls the work, after it, or call it again. The work starts at
    most once; every caller gets its one result; whoever asks first starts it.
    """

    __slots__ = ("_revoked", "_task", "_work", "started")

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._task: asyncio.Future[T] | None = None
        self._revoked = False
        self.started = asyncio.Event()

    async def __call__(self) -> T:
        """The result of the work, which starts now if it has not.

        Raises:
            WorkRevokedError: it was revoked before it started.
            Exception: what the work raised.
        """
        if self._task is None:
            if self._revoked:
                raise WorkRevokedError("taken over before it began")
            # Started in the caller's context: log lines find the run that they belong to.
            self._task = asyncio.ensure_future(self._work())
            self.started.set()
        return await asyncio.shield(self._task)

    def revoke(self) -> bool:
        """Whether nobody will start it any more; False if it has started already."""
        self._revoked = self._task is None
        return self._revoked

    @property
    def done(self) -> bool:
        """Whether the work has started and ended, well or badly."""
        return self._task is not None and self._task.done()
