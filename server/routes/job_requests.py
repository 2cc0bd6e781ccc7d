"""Requests to running jobs: tail, ls, ps, debug; asked here, answered by the pilots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from culm.wire.job_requests import MAX_ANSWER, JobAnswer, JobRequestView, NewJobRequest
from server.bodies import JsonBody
from server.identity.access import Holder, OwnerOr, actor_of, id_in_path
from server.identity.actor import Actor, Role
from server.limits import SMALL, BodyLimits
from server.parts import Parts, parts_of
from server.replies import reply
from server.routes.parameters import JobId
from server.routing import Noun, Terms
from server.waiting import unless_gone
from tasks.stages import job_requests as asked
from tasks.store.topics import Topic
from tasks.views.jobs import job_owner

LONGEST_WAIT_SECONDS = 60.0
_ANSWER = BodyLimits(8 * MAX_ANSWER)
_EXAMPLE = {"kind": "tail", "path": "payload.stdout", "n_lines": 20}

RequestId = Annotated[int, Path(ge=1, le=2**62, description="The request's number")]
Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for the answer")
]


def _is_held(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    return actor.pilot_id is not None and asked.has_job(
        session, actor.pilot_id, id_in_path(path, "job_id")
    )


STEERER = OwnerOr(
    frozenset({Role.ADMIN, Role.PRODUCTION}), "job",
    lambda session, path: job_owner(session, id_in_path(path, "job_id")),
)  # fmt: skip
RUNNER = Holder("a pilot, for a job that it has now", "job", _is_held)

job_requests = Noun("job requests", "What is asked of running jobs, and what their pilots answer.")


@job_requests.post(
    "/v1/jobs/{job_id}/requests",
    Terms(STEERER, takes=NewJobRequest, answers=JobRequestView, status=201, example=_EXAMPLE),
)
def ask_job(
    request: Request,
    job_id: JobId,
    wanted: Annotated[NewJobRequest, Depends(JsonBody(NewJobRequest, SMALL))],
) -> Response:
    """Ask something of a running job: the end of a file, a list of files, its processes.

    Its pilot hears of it with the answer to its next report, and answers by itself.
    """
    with parts_of(request).books.write() as session:
        return reply(asked.ask(session, job_id, actor_of(request).subject, wanted), 201)


@job_requests.get("/v1/jobs/{job_id}/requests/{request_id}", Terms(STEERER, answers=JobRequestView))
async def show_job_request(
    request: Request, job_id: JobId, request_id: RequestId, wait: Wait = 0
) -> Response:
    """A request and its answer. With `wait` it answers once that is there, or the job has ended."""
    parts = parts_of(request)

    async def look() -> JobRequestView | None:
        view = await run_in_threadpool(_view, parts, job_id, request_id)
        return view if asked.is_over(view) else None

    who = actor_of(request).subject
    topics = (Topic.JOB_ANSWERED, Topic.JOB_REPORTED)
    found = await unless_gone(request, parts.waiters.until(topics, wait, look, who))
    return reply(found or await run_in_threadpool(_view, parts, job_id, request_id))


@job_requests.put(
    "/v1/jobs/{job_id}/requests/{request_id}/answer", Terms(RUNNER, takes=JobAnswer, status=204)
)
def answer_request(
    request: Request,
    job_id: JobId,
    request_id: RequestId,
    answer: Annotated[JobAnswer, Depends(JsonBody(JobAnswer, _ANSWER))],
) -> Response:
    """Answer a request to a job; the first answer stays."""
    with parts_of(request).books.write() as session:
        asked.take_answer(session, job_id, request_id, answer)
    return Response(status_code=204)


def _view(parts: Parts, job_id: int, request_id: int) -> JobRequestView:
    with parts.books.read() as session:
        return asked.request_view(session, job_id, request_id)
