"""Tasks: submitting, watching, commanding."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from culm.wire.forecast import Forecast
from culm.wire.notices import TaskSummary
from culm.wire.resources import TaskResources
from culm.wire.task_spec import TaskSpec
from culm.wire.views import (
    CommandAnswer,
    CommandRequest,
    Decision,
    History,
    JobList,
    TaskAccepted,
    TaskList,
    TaskView,
)
from culm.wire.why import Why
from server.bodies import JsonBody
from server.dataset_names import check_may_write
from server.identity.access import PERSON, actor_of, id_in_path, owner_or_admin
from server.identity.actor import Actor
from server.limits import SMALL
from server.parts import Parts, parts_of
from server.races import looking_again
from server.replies import reply
from server.routes.parameters import (
    MYSELF,
    Glob,
    Key,
    Kinds,
    Limit,
    Statuses,
    TaskId,
    User,
    key_or_new,
    statuses_of,
    whose,
)
from server.routing import Noun, Terms
from server.share_claims import check_may_claim, with_organisation
from server.waiting import unless_gone
from tasks.notices.summary import task_summary
from tasks.specs import spec_of
from tasks.stages.command import command
from tasks.stages.submit import submit
from tasks.statuses import JobKind, JobStatus, TaskStatus
from tasks.store.topics import Topic
from tasks.views.history import decision, history
from tasks.views.jobs import JobFilter, job_list
from tasks.views.resources import task_resources
from tasks.views.tasks import TaskFilter, task_list, task_owner, task_version, task_view
from tasks.why.forecast import forecast
from tasks.why.task import why_task

tasks = Noun("tasks", "The unit of work for one scientific objective: input, command, output.")
TASK_OWNER = owner_or_admin(
    "task", lambda session, path: task_owner(session, id_in_path(path, "task_id"))
)
LONGEST_WAIT_SECONDS = 60

_EXAMPLE = {
    "name": "user.alice.hello",
    "command": "python hello.py %IN > hello.txt",
    "inputs": [{"stream": "IN", "datasets": ["user.alice.digits"], "n_files_per_job": 2}],
    "outputs": ["hello.txt"],
    "memory_mb": 1000,
}


@tasks.post(
    "/v1/tasks",
    Terms(PERSON, takes=TaskSpec, answers=TaskAccepted, status=201, also=(200,), example=_EXAMPLE),
)
def submit_task(
    request: Request, spec: Annotated[TaskSpec, Depends(JsonBody(TaskSpec))], key: Key = None
) -> Response:
    """Submit a task.

    It answers with the task's number as soon as the task is in the books. The same
    `Idempotency-Key` answers with the same task and status 200.
    """
    actor = actor_of(request)
    spec = _allowed(actor, spec)
    books, task_key = parts_of(request).books, key_or_new(key)
    accepted = looking_again(lambda: submit(books, spec, actor.subject, task_key))
    return reply(accepted, 201 if accepted.created else 200)


@tasks.post("/v1/tasks/check",
            Terms(PERSON, takes=TaskSpec, answers=Forecast, example=_EXAMPLE))  # fmt: skip
def check_task(
    request: Request, spec: Annotated[TaskSpec, Depends(JsonBody(TaskSpec))]
) -> Response:
    """What a task would become: how many jobs, of what size, where, how long.

    It is split and brokered as if it were submitted now; nothing is written. Its sandbox need not
    be here.
    """
    actor = actor_of(request)
    return reply(forecast(parts_of(request).books, _allowed(actor, spec), actor.subject))


@tasks.get("/v1/tasks", Terms(PERSON, answers=TaskList))
def list_tasks(
    request: Request,
    status: Statuses = "",
    user: User = MYSELF,
    name: Glob = "",
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of a page")] = None,
) -> Response:
    """Tasks, newest first.

    You see your own; an administrator sees everybody's. Jobs are not counted in lists.
    """
    filters = TaskFilter(
        statuses=statuses_of(TaskStatus, status), user=whose(actor_of(request), user), name=name,
        limit=limit, before=before,
    )  # fmt: skip
    with parts_of(request).books.read() as session:
        return reply(task_list(session, filters))


@tasks.get("/v1/tasks/{task_id}", Terms(TASK_OWNER, answers=TaskView))
async def show_task(
    request: Request,
    task_id: TaskId,
    seen: Annotated[int, Query(ge=0, le=2**62, description="The version that you have")] = 0,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for a newer one")
    ] = 0,
) -> Response:
    """One task, with its jobs counted by status.

    With `seen` and `wait` it answers when the task's version is above `seen`, or when the time
    is over: watching a task costs one open request.
    """
    parts = parts_of(request)

    async def look() -> bool | None:
        return await run_in_threadpool(_is_newer, parts, task_id, seen)

    if wait:
        who = actor_of(request).subject
        topics = (Topic.TASK_CHANGED,)
        await unless_gone(request, parts.waiters.until(topics, wait, look, who))
    return reply(await run_in_threadpool(_view, parts, task_id))


@tasks.get("/v1/tasks/{task_id}/history", Terms(TASK_OWNER, answers=History))
def show_task_history(request: Request, task_id: TaskId) -> Response:
    """The moves of a task's status: who, when, why."""
    with parts_of(request).books.read() as session:
        return reply(history(session, "task", task_id))


@tasks.get("/v1/tasks/{task_id}/resources", Terms(TASK_OWNER, answers=TaskResources))
def show_task_resources(request: Request, task_id: TaskId) -> Response:
    """What it asked for, what its jobs used, and what it will ask for next."""
    with parts_of(request).books.read() as session:
        return reply(task_resources(session, task_id))


@tasks.get("/v1/tasks/{task_id}/decision", Terms(TASK_OWNER, answers=Decision))
def show_task_decision(request: Request, task_id: TaskId) -> Response:
    """Where its jobs go and why: queues by rank, and for each rejected one the rule."""
    with parts_of(request).books.read() as session:
        return reply(decision(session, task_id))


@tasks.get("/v1/tasks/{task_id}/why", Terms(TASK_OWNER, answers=Why))
def show_task_why(
    request: Request,
    task_id: TaskId,
    queues: Annotated[bool, Query(description="Also what each queue says")] = False,
) -> Response:
    """What hinders it or how far it is, in words, and the smallest change that would help."""
    with parts_of(request).books.read() as session:
        return reply(why_task(session, task_id, with_queues=queues))


@tasks.get("/v1/tasks/{task_id}/summary", Terms(TASK_OWNER, answers=TaskSummary))
def show_task_summary(request: Request, task_id: TaskId) -> Response:
    """What it came to, as notices say it: sites, jobs by their last attempt, datasets."""
    with parts_of(request).books.read() as session:
        return reply(task_summary(session, task_id))


@tasks.get("/v1/tasks/{task_id}/parameters", Terms(TASK_OWNER, answers=TaskSpec))
def show_task_parameters(request: Request, task_id: TaskId) -> Response:
    """The task as it was submitted."""
    with parts_of(request).books.read() as session:
        return reply(spec_of(session, task_id))


@tasks.get("/v1/tasks/{task_id}/jobs", Terms(TASK_OWNER, answers=JobList))
def list_task_jobs(
    request: Request,
    task_id: TaskId,
    status: Statuses = "",
    kind: Kinds = "",
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of a page")] = None,
) -> Response:
    """The task's jobs in order of their numbers."""
    filters = JobFilter(task_id=task_id, statuses=statuses_of(JobStatus, status),
                        kinds=statuses_of(JobKind, kind, "kind"), limit=limit,
                        after=after)  # fmt: skip
    with parts_of(request).books.read() as session:
        return reply(job_list(session, filters))


@tasks.post(
    "/v1/tasks/{task_id}/commands",
    Terms(
        TASK_OWNER,
        takes=CommandRequest,
        answers=CommandAnswer,
        example={"command": "finish", "soft": True},
    ),
)
def command_task(
    request: Request,
    task_id: TaskId,
    order: Annotated[CommandRequest, Depends(JsonBody(CommandRequest, SMALL))],
) -> Response:
    """Kill, finish, retry, incexec, pause, resume, avalanche, release or reactivate a task.

    The answer says at once whether the task's status takes the command; the work behind it
    follows. 409 where it does not.
    """
    user = actor_of(request).subject
    return reply(command(parts_of(request).books, task_id, order, user))


def _allowed(actor: Actor, spec: TaskSpec) -> TaskSpec:
    """The task as the actor may submit it."""
    # Its outputs are datasets that begin with the task's name.
    check_may_write(actor, spec.name, None)
    check_may_claim(actor, spec)
    return with_organisation(actor, spec)


def _is_newer(parts: Parts, task_id: int, seen: int) -> bool | None:
    with parts.books.read() as session:
        version = task_version(session, task_id)
    return True if version is None or version > seen else None


def _view(parts: Parts, task_id: int) -> TaskView:
    with parts.books.read() as session:
        return task_view(session, task_id)
