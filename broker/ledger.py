"""What was assigned since the view of the queues was taken: a view minutes old does not show it."""

from __future__ import annotations

from collections import deque


class Ledger:
    """Jobs sent to each queue, until a view shows them.

    Callers keep one, note what they allot, and tell when they have a newer view. Times are
    seconds of any clock that only rises, the same one for both.
    """

    def __init__(self) -> None:
        self._entries: deque[tuple[float, str, int]] = deque()
        self._counts: dict[str, int] = {}

    def assigned(self, queue: str) -> int:
        """Jobs sent to the queue since the view."""
        return self._counts.get(queue, 0)

    def note(self, queue: str, n_jobs: int, at_seconds: float) -> None:
        """Remember that jobs were sent to a queue now."""
        if n_jobs > 0:
            self._entries.append((at_seconds, queue, n_jobs))
            self._counts[queue] = self.assigned(queue) + n_jobs

    def seen(self, view_at_seconds: float) -> None:
        """Forget what was sent before the moment that the newest view shows."""
        while self._entries and self._entries[0][0] < view_at_seconds:
            _, queue, n_jobs = self._entries.popleft()
            self._counts[queue] -= n_jobs
