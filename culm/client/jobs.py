"""Jobs: look and kill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from culm.client.calls import Calls, up_to, words
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.codec import decode
from culm.wire.job_requests import JobRequestView, NewJobRequest
from culm.wire.views import CommandAnswer, CommandRequest, History, JobList, JobView
from culm.wire.why import Why

PAGE = 500


class JobCalls(Calls):
    """The calls about jobs."""

    def job(self, job_id: int) -> JobView:
        """A job with its command, its files and the last lines of its output."""
        return self._get(JobView, "jobs", job_id)

    def jobs(
        self,
        task_id: int,
        status: Iterable[str] | str = (),
        limit: int | None = None,
        kind: Iterable[str] | str = (),
    ) -> Iterator[JobView]:
        """A task's jobs in order of id, without their files."""
        wanted = {"status": words(status), "kind": words(kind)}
        return up_to(limit, self._jobs(task_id, wanted, min(limit or PAGE, PAGE)))

    def _jobs(self, task_id: int, wanted: Mapping[str, Any], page: int) -> Iterator[JobView]:
        after: int | None = None
        while True:
            found = self._get(JobList, "tasks", task_id, "jobs", **wanted, limit=page, after=after)
            yield from found.jobs
            after = found.next
            if after is None:
                return

    def job_history(self, job_id: int) -> History:
        """The moves of a job's status, oldest first."""
        return self._get(History, "jobs", job_id, "history")

    def job_why(self, job_id: int) -> Why:
        """What a job waits for, where it runs, or what it ended of."""
        return self._get(Why, "jobs", job_id, "why")

    def ask_job(self, job_id: int, kind: str, path: str = "", n_lines: int = 20) -> JobRequestView:
        """A new request to a running job (`tail`, `ls`, `ps`, `debug`, `debugoff`), unanswered yet.

        Raises:
            WrongStatus: the job does not run.
        """
        words = {"kind": kind, "path": path, "n_lines": n_lines}
        wanted = decode(NewJobRequest, words, "the request")
        return self._post(JobRequestView, wanted, "jobs", job_id, "requests")

    def job_answer(self, request: JobRequestView, wait_seconds: float = 0) -> JobRequestView:
        """A request as it is now, or once it is answered or its job has ended, in that time."""
        call = Call(
            method="GET", path=path_of("jobs", request.job_id, "requests", request.request_id),
            params={"wait": wait_seconds}, read_timeout=wait_seconds + 30,
        )  # fmt: skip
        return read(JobRequestView, self.transport.json(call))

    def kill_job(self, job_id: int, reason: str = "") -> CommandAnswer:
        """Stop one job; its input is tried again if the rules allow it."""
        request = CommandRequest(command="kill", reason=reason)
        return self._post(CommandAnswer, request, "jobs", job_id, "commands")
