"""How fast jobs end at queues, by our own books: what statistics say only minutes later."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_SECONDS = 10.0
_LEAST_SECONDS = 1.0


@dataclass(slots=True)
class _Window:
    began_at: float
    n_ended_before: int
    last: float = 0.0


class Pace:
    """Ends a second at each queue, while many short jobs go through its slots.

    Jobs that began together end together, so an end in each slot tells nothing of the next one:
    only what ended beyond that counts. Times are seconds of any clock that only rises.
    """

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def look(self, queue: str, at_seconds: float, n_ended: int, n_slots: int) -> float:
        """Ends a second now, when so many have ended in all and so many slots are there.

        `n_ended` may be counted from anywhere; less than before (others sent jobs there, too)
        begins anew.
        """
        window = self._windows.get(queue)
        if window is None or n_ended < window.n_ended_before:
            self._windows[queue] = _Window(at_seconds, n_ended)
            return 0.0
        seconds = at_seconds - window.began_at
        n_new = n_ended - window.n_ended_before
        pace = max(0, n_new - n_slots) / max(_LEAST_SECONDS, seconds)
        if seconds < WINDOW_SECONDS:
            return max(pace, window.last)
        self._windows[queue] = _Window(at_seconds, n_ended, pace)
        return pace
