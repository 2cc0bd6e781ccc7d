"""Told by the server: it is asked with long polls, and answers as soon as a task has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from culm.cli.sequence.results import Ended
from culm.client import Client


class ServerEnds:
    """Ends of tasks as the server tells them; `scan_days` is how far frozen ones are looked for."""

    def __init__(self, client: Client, scan_days: float) -> None:
        self._client = client
        self._scan_days = scan_days

    def of(self, task_id: int, *, blocking: bool) -> Ended | None:
        """What came of a task, when it has ended; None if it has not, and nobody waits."""
        if blocking:
            self._client.wait([task_id])
        elif not self._client.task(task_id).final:
            return None
        return Ended.of_summary(self._client.summary(task_id))

    def running(self) -> list[int]:
        """Your tasks that have not ended, newest first."""
        return [task.task_id for task in self._client.tasks() if not task.final]

    def frozen(self) -> list[int]:
        """Your tasks that ended in the last days, newest first."""
        oldest = (datetime.now(UTC) - timedelta(days=self._scan_days)).isoformat()
        ended = (task for task in self._client.tasks() if task.final)
        return [task.task_id for task in ended if (task.ended_at or "") > oldest]
