"""Why something does not go on."""

from __future__ import annotations

from culm.client.calls import Calls
from culm.wire.why import JobWhy, TaskWhy


class WhyCalls(Calls):
    """The calls that explain."""

    def why_task(self, task_id: int) -> TaskWhy:
        """What hinders a task, and what would help."""
        return self._get(TaskWhy, "tasks", task_id, "why")

    def why_job(self, job_id: int) -> JobWhy:
        """What a job waits for, or how it ended."""
        return self._get(JobWhy, "jobs", job_id, "why")
