"""Tasks: submit, look, wait, command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from culm.client.calls import Calls, up_to, words
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.client.waiting import changes
from culm.core.ids import new_key
from culm.wire.recovery import JobMetadata, JobMetadataList, RecoveryAnswer, RecoveryRequest
from culm.wire.resources import TaskResources
from culm.wire.task_spec import TaskSpec
from culm.wire.views import (
    CommandAnswer,
    CommandRequest,
    Decision,
    History,
    TaskAccepted,
    TaskList,
    TaskView,
)
from culm.wire.why import Why

PAGE = 100


class TaskCalls(Calls):
    """The calls about tasks."""

    def submit(self, spec: TaskSpec, key: str | None = None) -> TaskAccepted:
        """The id of the task that this specification became.

        The same key again, from this call or another, gives the same task; without one, a fresh
        key guards this call's own repetitions.

        Raises:
            InvalidRequest: with every fault of the specification.
        """
        return self._post(TaskAccepted, spec.check(), "tasks", key=key or new_key())

    def task(self, task_id: int, seen: int | None = None, wait_seconds: float = 0) -> TaskView:
        """A task; with `seen`, as soon as its version is above, or after `wait_seconds`."""
        call = Call(
            method="GET",
            path=path_of("tasks", task_id),
            params={"seen": seen, "wait": wait_seconds or None},
            read_timeout=wait_seconds + 30,
        )
        return read(TaskView, self.transport.json(call))

    def tasks(
        self,
        status: Iterable[str] | str = (),
        user: str = "me",
        name: str | None = None,
        limit: int | None = None,
    ) -> Iterator[TaskView]:
        """Tasks, newest first, fetched page by page as you go on; `user` may be `*`."""
        return up_to(limit, self._tasks(status, user, name, min(limit or PAGE, PAGE)))

    def _tasks(
        self, status: Iterable[str] | str, user: str, name: str | None, page: int
    ) -> Iterator[TaskView]:
        before: int | None = None
        while True:
            found = self._get(
                TaskList,
                "tasks",
                status=words(status),
                user=user,
                name=name,
                limit=page,
                before=before,
            )
            yield from found.tasks
            before = found.next
            if before is None:
                return

    def history(self, task_id: int) -> History:
        """The moves of a task's status, oldest first."""
        return self._get(History, "tasks", task_id, "history")

    def resources(self, task_id: int) -> TaskResources:
        """What the task asked for, what its jobs used, and what it will ask for next."""
        return self._get(TaskResources, "tasks", task_id, "resources")

    def decision(self, task_id: int) -> Decision:
        """Why the task's jobs go where they go: the latest ranking of queues and rejections."""
        return self._get(Decision, "tasks", task_id, "decision")

    def why(self, task_id: int, *, queues: bool = False) -> Why:
        """What hinders a task or how far it is; with what each queue says, if asked."""
        return self._get(Why, "tasks", task_id, "why", queues="true" if queues else None)

    def parameters(self, task_id: int) -> TaskSpec:
        """The specification as it was submitted."""
        return self._get(TaskSpec, "tasks", task_id, "parameters")

    def wait(
        self,
        task_ids: Sequence[int],
        timeout: float | None = None,
        on_change: Callable[[TaskView], None] | None = None,
    ) -> list[TaskView]:
        """These tasks, in this order, once all of them have ended.

        Raises:
            WaitTimedOut: after `timeout` seconds some had not.
        """
        last: dict[int, TaskView] = {}
        for view in self.watch(task_ids, timeout):
            last[view.task_id] = view
            if on_change:
                on_change(view)
        return [last[task_id] for task_id in task_ids]

    def watch(self, task_ids: Sequence[int], timeout: float | None = None) -> Iterator[TaskView]:
        """Each task now and at every change, until all have ended."""
        return changes(self.task, list(dict.fromkeys(task_ids)), timeout)

    def command(self, task_id: int, request: CommandRequest) -> CommandAnswer:
        """Whether a command was taken up.

        Raises:
            NotFound, NotAllowed, WrongStatus: it was not.
        """
        return self._post(CommandAnswer, request, "tasks", task_id, "commands")

    def metadata(self, task_id: int) -> Iterator[JobMetadata]:
        """What each job of a task wrote into `userJobMetadata.json`, in order of job."""
        after: int | None = None
        while True:
            found = self._get(JobMetadataList, "tasks", task_id, "metadata", after=after)
            yield from found.jobs
            after = found.next
            if after is None:
                return

    def recover(
        self,
        task_id: int,
        *,
        dry_run: bool = False,
        dataset: str | None = None,
        files: Sequence[str] = (),
    ) -> RecoveryAnswer:
        """What of a task's output was lost, and is produced again (but in a dry run).

        `files` are taken for lost; without, those are that the server does not find.

        Raises:
            WrongStatus: the task has not ended.
            InvalidRequest: a name is not of its output.
        """
        wanted = RecoveryRequest(dry_run=dry_run, dataset=dataset, files=tuple(files))
        return self._post(RecoveryAnswer, wanted, "tasks", task_id, "recovery")

    def kill(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Stop a task and all its jobs at once."""
        return self.command(task_id, CommandRequest(command="kill", reason=reason))

    def finish(self, task_id: int, *, soft: bool = False, reason: str = "") -> CommandAnswer:
        """End a task early and keep what is done; soft: let jobs that run come to their end."""
        return self.command(task_id, CommandRequest(command="finish", soft=soft, reason=reason))

    def retry(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Try again what failed."""
        return self.command(task_id, CommandRequest(command="retry", reason=reason))

    def pause(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Make no more jobs until resumed."""
        return self.command(task_id, CommandRequest(command="pause", reason=reason))

    def resume(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Go on with a paused task."""
        return self.command(task_id, CommandRequest(command="resume", reason=reason))

    def incexec(
        self, task_id: int, parameters: Mapping[str, Any] | None = None, reason: str = ""
    ) -> CommandAnswer:
        """Retry a task after looking at its input again, with these fields of its specification
        changed.

        Raises:
            InvalidRequest: with a fault for each field that is wrong or cannot be changed.
        """
        changes = dict(parameters or {})
        request = CommandRequest(command="incexec", reason=reason, parameters=changes)
        return self.command(task_id, request)

    def avalanche(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Let a task go on without scouts, or in spite of what they found."""
        return self.command(task_id, CommandRequest(command="avalanche", reason=reason))

    def release(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Let a task send no scouts, or no more than it has sent."""
        return self.command(task_id, CommandRequest(command="release", reason=reason))

    def reactivate(self, task_id: int, reason: str = "") -> CommandAnswer:
        """Look at a task that waits again, now."""
        return self.command(task_id, CommandRequest(command="reactivate", reason=reason))
