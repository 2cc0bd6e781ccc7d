"""Jobs that the pilot holds but that do not run yet, and the room for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from pilot.attempt import Attempt

SHORT_SECONDS = 1.0
"""Jobs that take less are asked for before the last ones have ended."""
ROUNDS_AHEAD = 2
"""So many of them for each slot are still in hand then."""


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
        self._are_short = False

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

    def done(self, attempt: Attempt, seconds: float) -> None:
        """Give back the room of a job that was taken; it ran for so long."""
        with self._changed:
            self._use(attempt, -1)
            self._are_short = seconds < SHORT_SECONDS
            self._changed.notify_all()

    def room(self, seconds: float, *, ahead: bool) -> Room | None:
        """What is free once a slot is idle and no job waits; None if not within some seconds.

        With `ahead`, and while jobs are short, it does not come to that: an answer takes as long
        as some jobs, and all that the pilot has is about to be free.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_hungry(ahead), seconds)
            if self._closed or not self._is_hungry(ahead):
                return None
            return self._free if self._is_idle() else self._whole

    def is_whole(self, room: Room) -> bool:
        """Whether this is all that the pilot has."""
        return room == self._whole

    def close(self) -> None:
        """Give slots what still waits, then send them home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_hungry(self, ahead: bool) -> bool:
        if ahead and self._are_short:
            return len(self._waiting) <= self._whole.slots * ROUNDS_AHEAD
        return not self._waiting and self._is_idle()

    def _is_idle(self) -> bool:
        free = self._free
        return free.slots > 0 and free.core_count > 0 and free.memory_mb > 0

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
