"""Jobs that the pilot holds but that do not run yet, and the room for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from pilot.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Room:
    """What is free: slots, cores, memory."""

    slots: int
    core_count: int
    memory_mb: int


class Backlog:
    """A queue between the one who asks for work and the slots; jobs start as they fit."""

    def __init__(self, whole: Room) -> None:
        self._free = whole
        self._whole = whole
        self._waiting: deque[Attempt] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, attempts: Iterable[Attempt]) -> None:
        """Add jobs, to be taken in this order as far as they fit."""
        with self._changed:
            self._waiting.extend(attempts)
            self._changed.notify_all()

    def take(self) -> Attempt | None:
        """The next job that fits, once there is one; None when closed and empty."""
        with self._changed:
            while True:
                attempt = next((each for each in self._waiting if self._fits(each)), None)
                if attempt is not None:
                    self._waiting.remove(attempt)
                    self._use(attempt, 1)
                    self._changed.notify_all()
                    return attempt
                if self._closed and not self._waiting:
                    return None
                self._changed.wait()

    def done(self, attempt: Attempt) -> None:
        """Give back the room of a job that was taken."""
        with self._changed:
            self._use(attempt, -1)
            self._changed.notify_all()

    def room(self, seconds: float) -> Room | None:
        """What is free once a slot is idle and no job waits; None if not within some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_idle(), seconds)
            return self._free if not self._closed and self._is_idle() else None

    def close(self) -> None:
        """Give slots what still waits, then send them home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_idle(self) -> bool:
        free = self._free
        return not self._waiting and free.slots > 0 and free.core_count > 0 and free.memory_mb > 0

    def _fits(self, attempt: Attempt) -> bool:
        spec, free = attempt.spec, self._free
        # A job larger than the node is the server's wish: it runs alone.
        return free == self._whole or (
            spec.core_count <= free.core_count and spec.memory_mb <= free.memory_mb
        )

    def _use(self, attempt: Attempt, sign: int) -> None:
        spec, free = attempt.spec, self._free
        self._free = Room(
            free.slots - sign,
            free.core_count - sign * spec.core_count,
            free.memory_mb - sign * spec.memory_mb,
        )
