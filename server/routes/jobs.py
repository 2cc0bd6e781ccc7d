"""Jobs: one attempt each, as the owner of its task sees it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.views import CommandAnswer, CommandRequest, History, JobView
from culm.wire.why import Why
from server.bodies import JsonBody
from server.identity.access import actor_of, id_in_path, owner_or_admin
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routes.parameters import JobId
from server.routing import Noun, Terms
from tasks.stages.job_command import kill_job
from tasks.views.history import history
from tasks.views.jobs import job_owner, job_view
from tasks.why.job import why_job

jobs = Noun("jobs", "The parts of a task that run on worker slots; each row is one attempt.")
JOB_OWNER = owner_or_admin(
    "job", lambda session, path: job_owner(session, id_in_path(path, "job_id"))
)


@jobs.get("/v1/jobs/{job_id}", Terms(JOB_OWNER, answers=JobView))
def show_job(request: Request, job_id: JobId) -> Response:
    """One job, with its command, files, measurements and last lines of output."""
    with parts_of(request).books.read() as session:
        return reply(job_view(session, job_id))


@jobs.get("/v1/jobs/{job_id}/history", Terms(JOB_OWNER, answers=History))
def show_job_history(request: Request, job_id: JobId) -> Response:
    """The moves of a job's status: who, when, why."""
    with parts_of(request).books.read() as session:
        return reply(history(session, "job", job_id))


@jobs.get("/v1/jobs/{job_id}/why", Terms(JOB_OWNER, answers=Why))
def show_job_why(request: Request, job_id: JobId) -> Response:
    """What it waits for, where it runs, or what it ended of, in words."""
    with parts_of(request).books.read() as session:
        return reply(why_job(session, job_id))


@jobs.post(
    "/v1/jobs/{job_id}/commands",
    Terms(JOB_OWNER, takes=CommandRequest, answers=CommandAnswer, example={"command": "kill"}),
)
def command_job(
    request: Request,
    job_id: JobId,
    order: Annotated[CommandRequest, Depends(JsonBody(CommandRequest, SMALL))],
) -> Response:
    """Kill one job: `kill` is the only command that a job takes.

    A job that waits is cancelled at once; the pilot of one that runs is told at its next report.
    """
    if order.command != "kill":
        fault = FieldFault("command", order.command, unknown_name(order.command, ["kill"]))
        raise InvalidRequest(f"no command {order.command}", faults=[fault])
    user = actor_of(request).subject
    return reply(kill_job(parts_of(request).books, job_id, user, order.reason))
