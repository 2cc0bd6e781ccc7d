"""Waiting for tasks or workflows: long polls in a few threads, their news in one stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, Protocol, TypeVar

from culm.core.errors import CallerError, WaitTimedOut

MAX_THREADS = 16
LONG_POLL_SECONDS = 25.0
PATIENCE_SECONDS = 120.0
"""How long a server may be away (a restart, a failover) before a wait gives up."""


class Watched(Protocol):
    """What can be waited for: it has a version that rises, and an end."""

    @property
    def version(self) -> int:
        """It rises with every change."""
        ...

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        ...


V = TypeVar("V", bound=Watched)
V_co = TypeVar("V_co", bound=Watched, covariant=True)


class Look(Protocol[V_co]):
    """A look that may wait for a change; `Client.task` and `Client.workflow` are such."""

    def __call__(self, number: int, seen: int | None, wait_seconds: float, /) -> V_co:
        """The thing of this number, once its version is above `seen` or the time is over."""
        ...


@dataclass(slots=True)
class _News(Generic[V]):
    """What the threads bring home."""

    queue: SimpleQueue[tuple[int, V] | Exception] = field(default_factory=SimpleQueue)
    stop: Event = field(default_factory=Event)


def changes(
    look: Look[V], numbers: Sequence[int], timeout: float | None, noun: str = "task"
) -> Iterator[V]:
    """Each of these now and at every change, until all have ended; `noun` is what they are.

    Raises:
        WaitTimedOut: `timeout` seconds have passed before that.
        CulmError: one is not there, or the server was away for two minutes.
    """
    news: _News[V] = _News()
    left = set(numbers)
    deadline = None if timeout is None else time.monotonic() + timeout
    for thread in range(min(MAX_THREADS, len(numbers))):
        share = list(numbers[thread::MAX_THREADS])
        # Daemons: a long poll that still hangs must not hold up Ctrl-C.
        Thread(target=_follow, args=(look, share, news), daemon=True).start()
    try:
        while left:
            number, view = _next(news, deadline, left, noun)
            yield view
            if view.final:
                left.discard(number)
    finally:
        news.stop.set()


def _next(news: _News[V], deadline: float | None, left: set[int], noun: str) -> tuple[int, V]:
    remaining = 3600.0 if deadline is None else max(0.0, deadline - time.monotonic())
    while True:
        try:
            found = news.queue.get(timeout=remaining)
        except Empty:
            if deadline is None:
                continue
            names = ", ".join(str(number) for number in sorted(left)[:10])
            raise WaitTimedOut(
                f"not ended in the time given: {names}",
                hint=f"culm {noun} wait {names.split(',')[0]}",
            ) from None
        if isinstance(found, Exception):
            raise found
        return found


def _follow(look: Look[V], numbers: list[int], news: _News[V]) -> None:
    seen: dict[int, int] = {}
    heard = time.monotonic()
    while numbers and not news.stop.is_set():
        wait = LONG_POLL_SECONDS if len(numbers) == 1 else max(0.2, 5.0 / len(numbers))
        for number in list(numbers):
            began = time.monotonic()
            try:
                view = look(number, seen.get(number), wait)
            except CallerError as error:
                if time.monotonic() - heard > PATIENCE_SECONDS:
                    news.queue.put(error)
                    return
                news.stop.wait(1.0)
                continue
            except Exception as error:
                news.queue.put(error)
                return
            heard = time.monotonic()
            if seen.get(number) != view.version:
                seen[number] = view.version
                news.queue.put((number, view))
            elif heard - began < wait / 2:
                news.stop.wait(0.3)  # a server that does not hold the poll is not to be stormed
            if view.final:
                numbers.remove(number)
