"""Workflows: submit, look, wait, command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from culm.client.calls import up_to, words
from culm.client.chain import Chain, complete
from culm.client.reading import read
from culm.client.submission import SubmissionCalls
from culm.client.transport import Call, path_of
from culm.client.waiting import changes
from culm.client.workflow_bundle import bundle_of
from culm.client.workflows import LOOKING_SECONDS
from culm.core.ids import new_key
from culm.wire.views import CommandRequest, History
from culm.wire.workflow_runs import (
    StepList,
    StepView,
    WorkflowAccepted,
    WorkflowCommandAnswer,
    WorkflowGraph,
    WorkflowList,
    WorkflowSubmission,
    WorkflowView,
)

PAGE = 100
STEPS_A_PAGE = 1000


class WorkflowRunCalls(SubmissionCalls):
    """The calls about workflows that run."""

    def submit_workflow(
        self, submission: WorkflowSubmission, key: str | None = None
    ) -> WorkflowAccepted:
        """The id of the workflow that these documents became.

        The same key again gives the same workflow; without one, a fresh key guards this call's
        own repetitions.

        Raises:
            InvalidRequest: with every fault: file, line, step, what was found, what would be right.
        """
        call = Call(
            method="POST", path=path_of("workflows"), message=submission, key=key or new_key(),
            read_timeout=LOOKING_SECONDS,
        )  # fmt: skip
        return read(WorkflowAccepted, self.transport.json(call))

    def chain(self, options: Chain, key: str | None = None) -> WorkflowAccepted:
        """Submit as the command `culm chain` does: the directory's files go along to every task.

        Raises:
            InvalidRequest, TooLarge: as `submit_workflow` says, or the files cannot be sent.
        """
        options = complete(options)
        bundle = bundle_of(options.out_ds, options.cwl, options.yaml, options.work_dir)
        chosen = self.chosen_files(options)
        digest = self.send_sandbox(chosen) if chosen else None
        return self.submit_workflow(WorkflowSubmission(bundle=bundle, sandbox=digest), key)

    def workflow(
        self, workflow_id: int, seen: int | None = None, wait_seconds: float = 0
    ) -> WorkflowView:
        """A workflow; with `seen`, as soon as its version is above, or after `wait_seconds`."""
        call = Call(
            method="GET",
            path=path_of("workflows", workflow_id),
            params={"seen": seen, "wait": wait_seconds or None},
            read_timeout=wait_seconds + 30,
        )
        return read(WorkflowView, self.transport.json(call))

    def workflows(
        self,
        status: Iterable[str] | str = (),
        user: str = "me",
        name: str | None = None,
        limit: int | None = None,
    ) -> Iterator[WorkflowView]:
        """Workflows, newest first, fetched page by page as you go on; `user` may be `*`."""
        query = {"status": words(status), "user": user, "name": name}
        return up_to(limit, self._workflows(query, min(limit or PAGE, PAGE)))

    def _workflows(self, query: dict[str, str | None], page: int) -> Iterator[WorkflowView]:
        before: int | None = None
        while True:
            found = self._get(WorkflowList, "workflows", **query, limit=page, before=before)
            yield from found.workflows
            before = found.next
            if before is None:
                return

    def steps(self, workflow_id: int, status: Iterable[str] | str = ()) -> Iterator[StepView]:
        """The instances of a workflow's steps in order of their start, page by page."""
        after: int | None = None
        while True:
            found = self._get(
                StepList, "workflows", workflow_id, "steps", status=words(status),
                limit=STEPS_A_PAGE, after=after,
            )  # fmt: skip
            yield from found.steps
            after = found.next
            if after is None:
                return

    def workflow_graph(self, workflow_id: int) -> WorkflowGraph:
        """The graph of a workflow, with the instances of its steps counted."""
        return self._get(WorkflowGraph, "workflows", workflow_id, "graph")

    def workflow_history(self, workflow_id: int) -> History:
        """The moves of a workflow's status, oldest first."""
        return self._get(History, "workflows", workflow_id, "history")

    def wait_workflows(
        self,
        workflow_ids: Sequence[int],
        timeout: float | None = None,
        on_change: Callable[[WorkflowView], None] | None = None,
    ) -> list[WorkflowView]:
        """These workflows, in this order, once all of them have ended.

        Raises:
            WaitTimedOut: after `timeout` seconds some had not.
        """
        last: dict[int, WorkflowView] = {}
        for view in changes(self.workflow, list(dict.fromkeys(workflow_ids)), timeout, "workflow"):
            last[view.workflow_id] = view
            if on_change:
                on_change(view)
        return [last[workflow_id] for workflow_id in workflow_ids]

    def command_workflow(self, workflow_id: int, request: CommandRequest) -> WorkflowCommandAnswer:
        """Have a workflow killed, finished, retried, paused or resumed.

        Raises:
            NotFound, NotAllowed, WrongStatus: it was not.
        """
        return self._post(WorkflowCommandAnswer, request, "workflows", workflow_id, "commands")
