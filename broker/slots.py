"""Binding just in time: how many more jobs a queue can take now.

What we sent to a queue and what of it started is in our own books, and never old; only what the
site alone knows (how many slots there are for us) comes from statistics, which are. A job that
waits where pilots ask for work means that no slot is free there, whatever statistics say. And
what is not bound has not lost its choice: it stays in its task until a place is free.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.thresholds import Thresholds
from broker.values import Load
from broker.weights.wait import Line

_DEFAULTS = Thresholds()
BIND_AHEAD_SECONDS = _DEFAULTS.bind_ahead_seconds
"""A job is bound to a queue only if it should start there within this time. It has to cover the
time between two rounds of generation, or slots would run empty.
"""
REBIND_SECONDS = _DEFAULTS.rebind_seconds
"""What was bound and did not start for so long goes back to its task: the guess was wrong."""

_SHORTEST_RUN_SECONDS = 1.0


@dataclass(slots=True)
class Room:
    """What a queue can take now, in slots."""

    n_slots: int
    free: int
    """Negative: so many slots more are wanted by what waits there."""
    starts_per_second: float
    """Slots that become free in a second."""

    def places(self, ahead_seconds: float = BIND_AHEAD_SECONDS) -> int:
        """Slots for which work may be bound now; none if zero or less."""
        return self.free + int(self.starts_per_second * ahead_seconds)

    def line(self, width: int = 1) -> Line:
        """The queue as a line for jobs that take so many slots each."""
        return Line(-(self.free // width), max(self.starts_per_second, 1e-9) / width)


class SlotMemory:
    """What was learnt about the slots of queues since their statistics were taken."""

    def __init__(self) -> None:
        self._full: dict[str, tuple[float, int]] = {}

    def room(
        self,
        queue: str,
        load: Load,
        n_running: int,
        n_waiting: int,
        view_at_seconds: float,
        is_full: bool | None = None,
    ) -> Room:
        """The room at a queue, when our own jobs run and wait in so many slots now, and its
        statistics (`load`) are of the given moment.

        `is_full`: that no slot is free there is proven; None: by any job that waits.
        """
        full = n_waiting > 0 if is_full is None else is_full
        n_slots = self._slots(queue, load, n_running, full, view_at_seconds)
        mean_run = load.mean_run_seconds or _DEFAULTS.expected_run_seconds
        rate = n_slots / max(_SHORTEST_RUN_SECONDS, mean_run)
        return Room(n_slots, n_slots - n_running - n_waiting, rate)

    def _slots(self, queue: str, load: Load, n_running: int, is_full: bool, view_at: float) -> int:
        if is_full:
            self._full[queue] = (view_at, n_running)
            return n_running
        learnt = self._full.get(queue)
        if learnt is not None and learnt[0] == view_at:
            return max(n_running, learnt[1])
        seen = load.n_batch_jobs if load.n_slots is None else load.n_slots
        return max(n_running, seen)
