"""Workflows that run: submitting, watching, commanding."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from culm.wire.views import CommandRequest, History
from culm.wire.workflow_runs import (
    StepList,
    WorkflowAccepted,
    WorkflowCommandAnswer,
    WorkflowGraph,
    WorkflowList,
    WorkflowSubmission,
    WorkflowView,
)
from server.bodies import JsonBody
from server.dataset_names import check_may_write
from server.identity.access import PERSON, actor_of, id_in_path, owner_or_admin
from server.limits import SMALL
from server.parts import Parts, parts_of
from server.races import looking_again
from server.replies import reply
from server.routes.parameters import (
    MYSELF,
    Glob,
    Key,
    Limit,
    Statuses,
    User,
    key_or_new,
    statuses_of,
    whose,
)
from server.routes.tasks import LONGEST_WAIT_SECONDS
from server.routes.workflows import DOCUMENTS, EXAMPLE, workflows
from server.routing import Terms
from server.share_claims import rights_of
from server.waiting import unless_gone
from server.workflows import look_at
from tasks.stages.workflow_command import command_workflow
from tasks.stages.workflow_submit import Planned, known_workflow, submit_workflow
from tasks.statuses import StepStatus, WorkflowStatus
from tasks.store.topics import Topic
from tasks.views.history import history
from tasks.views.workflow_graph import workflow_graph
from tasks.views.workflows import (
    StepFilter,
    WorkflowFilter,
    step_list,
    workflow_list,
    workflow_owner,
    workflow_version,
    workflow_view,
)

__all__ = ["workflows"]

WORKFLOW_OWNER = owner_or_admin(
    "workflow", lambda session, path: workflow_owner(session, id_in_path(path, "workflow_id"))
)
WorkflowId = Annotated[int, Path(ge=1, le=2**62, description="The workflow's number", examples=[1])]


@workflows.post(
    "/v1/workflows",
    Terms(PERSON, takes=WorkflowSubmission, answers=WorkflowAccepted, status=201, also=(200,),
          example={"bundle": EXAMPLE}),
)  # fmt: skip
def run_workflow(
    request: Request,
    submission: Annotated[WorkflowSubmission, Depends(JsonBody(WorkflowSubmission, DOCUMENTS))],
    key: Key = None,
) -> Response:
    """Submit a workflow.

    Its documents are loaded and checked whole before anything is written. The same
    `Idempotency-Key` answers with the same workflow and status 200.
    """
    actor, books, own_key = actor_of(request), parts_of(request).books, key_or_new(key)
    check_may_write(actor, submission.bundle.name, None)
    known = known_workflow(books, submission, actor.subject, own_key)
    if known is not None:
        return reply(known, 200)
    found = look_at(submission.bundle)
    planned = Planned(submission=submission, plan=found.plan, inputs=found.inputs,
                      warnings=found.warnings, rights=rights_of(actor))  # fmt: skip
    accepted = looking_again(lambda: submit_workflow(books, planned, actor.subject, own_key))
    return reply(accepted, 201 if accepted.created else 200)


@workflows.get("/v1/workflows", Terms(PERSON, answers=WorkflowList))
def list_workflows(
    request: Request,
    status: Statuses = "",
    user: User = MYSELF,
    name: Glob = "",
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of a page")] = None,
) -> Response:
    """Workflows, newest first. You see your own; an administrator sees everybody's."""
    filters = WorkflowFilter(
        statuses=statuses_of(WorkflowStatus, status), user=whose(actor_of(request), user),
        name=name, limit=limit, before=before,
    )  # fmt: skip
    with parts_of(request).books.read() as session:
        return reply(workflow_list(session, filters))


@workflows.get("/v1/workflows/{workflow_id}", Terms(WORKFLOW_OWNER, answers=WorkflowView))
async def show_workflow(
    request: Request,
    workflow_id: WorkflowId,
    seen: Annotated[int, Query(ge=0, le=2**62, description="The version that you have")] = 0,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for a newer one")
    ] = 0,
) -> Response:
    """One workflow, with the instances of its steps counted by status.

    With `seen` and `wait` it answers when the workflow's version is above `seen`, or when the
    time is over: watching a workflow costs one open request.
    """
    parts = parts_of(request)

    async def look() -> bool | None:
        return await run_in_threadpool(_is_newer, parts, workflow_id, seen)

    if wait:
        who = actor_of(request).subject
        topics = (Topic.WORKFLOW_CHANGED,)
        await unless_gone(request, parts.waiters.until(topics, wait, look, who))
    return reply(await run_in_threadpool(_view, parts, workflow_id))


@workflows.get("/v1/workflows/{workflow_id}/steps", Terms(WORKFLOW_OWNER, answers=StepList))
def list_steps(
    request: Request,
    workflow_id: WorkflowId,
    status: Statuses = "",
    limit: Limit = 1000,
    after: Annotated[int, Query(ge=0, le=2**62, description="`next` of a page")] = 0,
) -> Response:
    """The instances of a workflow's steps, in order of their start."""
    filters = StepFilter(workflow_id=workflow_id, statuses=statuses_of(StepStatus, status),
                         limit=limit, after=after)  # fmt: skip
    with parts_of(request).books.read() as session:
        return reply(step_list(session, filters))


@workflows.get("/v1/workflows/{workflow_id}/graph", Terms(WORKFLOW_OWNER, answers=WorkflowGraph))
def show_workflow_graph(request: Request, workflow_id: WorkflowId) -> Response:
    """The graph of a workflow: its steps as declared, with their instances counted by status."""
    with parts_of(request).books.read() as session:
        return reply(workflow_graph(session, workflow_id))


@workflows.get("/v1/workflows/{workflow_id}/history", Terms(WORKFLOW_OWNER, answers=History))
def show_workflow_history(request: Request, workflow_id: WorkflowId) -> Response:
    """The moves of a workflow's status: who, when, why."""
    with parts_of(request).books.read() as session:
        return reply(history(session, "workflow", workflow_id))


@workflows.post(
    "/v1/workflows/{workflow_id}/commands",
    Terms(WORKFLOW_OWNER, takes=CommandRequest, answers=WorkflowCommandAnswer,
          example={"command": "retry"}),
)  # fmt: skip
def command_a_workflow(
    request: Request,
    workflow_id: WorkflowId,
    order: Annotated[CommandRequest, Depends(JsonBody(CommandRequest, SMALL))],
) -> Response:
    """Kill, finish, retry, pause or resume a workflow, and its tasks with it.

    409 where its status does not take the command.
    """
    user = actor_of(request).subject
    return reply(command_workflow(parts_of(request).books, workflow_id, order, user))


def _is_newer(parts: Parts, workflow_id: int, seen: int) -> bool | None:
    with parts.books.read() as session:
        version = workflow_version(session, workflow_id)
    return True if version is None or version > seen else None


def _view(parts: Parts, workflow_id: int) -> WorkflowView:
    with parts.books.read() as session:
        return workflow_view(session, workflow_id)
