"""The right to work on a job: it ends when the server was not heard from for too long."""

from __future__ import annotations

import time

MARGIN = 0.1
"""The part of a lease that is given up: the payload is dead before the server gives the job on."""


def elapsed() -> float:
    """Seconds on a clock that never steps back and that goes on while the node is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """Valid for `seconds` (less a margin) after the last contact that the server confirmed."""

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds * (1 - MARGIN)
        self._until = now + self._seconds

    def renew(self, asked_at: float) -> None:
        """Extend it from the time at which the confirmed request was sent, not answered.

        One that ran out is good again when the server confirms it before anybody here noticed:
        the server decides, and it refuses what it has given to others.
        """
        self._until = max(self._until, asked_at + self._seconds)

    def left(self, now: float) -> float:
        """Seconds until it is over; negative afterwards."""
        return self._until - now
