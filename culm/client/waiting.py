"""Waiting for tasks: long polls in a few threads, their news in one stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol

from culm.core.errors import CallerError, WaitTimedOut
from culm.wire.views import TaskView

MAX_THREADS = 16
LONG_POLL_SECONDS = 25.0
PATIENCE_SECONDS = 120.0
"""How long a server may be away (a restart, a failover) before a wait gives up."""


class Look(Protocol):
    """A look at a task that may wait for a change; `Client.task` is one."""

    def __call__(self, task_id: int, seen: int | None, wait_seconds: float) -> TaskView:
        """The task, once its version is above `seen` or the time is over."""
        ...


@dataclass(slots=True)
class _News:
    """What the threads bring home."""

    queue: SimpleQueue[TaskView | Exception] = field(default_factory=SimpleQueue)
    stop: Event = field(default_factory=Event)


def changes(look: Look, task_ids: Sequence[int], timeout: float | None) -> Iterator[TaskView]:
    """Each task now and at every change, until all have ended.

    Raises:
        WaitTimedOut: `timeout` seconds have passed before that.
        CulmError: a task is not there, or the server was away for two minutes.
    """
    news, left = _News(), set(task_ids)
    deadline = None if timeout is None else time.monotonic() + timeout
    for number in range(min(MAX_THREADS, len(task_ids))):
        share = list(task_ids[number::MAX_THREADS])
        # Daemons: a long poll that still hangs must not hold up Ctrl-C.
        Thread(target=_follow, args=(look, share, news), daemon=True).start()
    try:
        while left:
            view = _next(news, deadline, left)
            yield view
            if view.final:
                left.discard(view.task_id)
    finally:
        news.stop.set()


def _next(news: _News, deadline: float | None, left: set[int]) -> TaskView:
    remaining = 3600.0 if deadline is None else max(0.0, deadline - time.monotonic())
    while True:
        try:
            found = news.queue.get(timeout=remaining)
        except Empty:
            if deadline is None:
                continue
            names = ", ".join(str(task_id) for task_id in sorted(left)[:10])
            raise WaitTimedOut(
                f"not ended in the time given: {names}",
                hint=f"culm task wait {names.split(',')[0]}",
            ) from None
        if isinstance(found, Exception):
            raise found
        return found


def _follow(look: Look, task_ids: list[int], news: _News) -> None:
    seen: dict[int, int] = {}
    heard = time.monotonic()
    while task_ids and not news.stop.is_set():
        wait = LONG_POLL_SECONDS if len(task_ids) == 1 else max(0.2, 5.0 / len(task_ids))
        for task_id in list(task_ids):
            began = time.monotonic()
            try:
                view = look(task_id, seen.get(task_id), wait)
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
            if seen.get(task_id) != view.version:
                seen[task_id] = view.version
                news.queue.put(view)
            elif heard - began < wait / 2:
                news.stop.wait(0.3)  # a server that does not hold the poll is not to be stormed
            if view.final:
                task_ids.remove(task_id)
