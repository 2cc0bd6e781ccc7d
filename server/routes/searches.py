"""Hyperparameter searches, and the checkpoints of their points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Path, Request, Response
from sqlmodel import Session
from starlette.responses import FileResponse

from culm.core.errors import NotAllowed
from culm.wire.search import MAX_CHECKPOINT_MB
from culm.wire.search_views import SearchView
from server.identity.access import Holder, actor_of, id_in_path
from server.identity.actor import Actor
from server.limits import MB, BodyLimits, blocks
from server.parts import parts_of
from server.replies import reply
from server.routes.parameters import JobId, TaskId
from server.routes.tasks import TASK_OWNER
from server.routing import BYTES, Noun, Terms
from tasks.views import checkpoints
from tasks.views.searches import search_view

PointFile = Annotated[int, Path(ge=1, le=2**62, description="The point's file")]


def _holds(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    numbers = id_in_path(path, "job_id"), id_in_path(path, "file_id")
    return (
        actor.pilot_id is not None
        and checkpoints.task_held(session, checkpoints.Holder(actor.pilot_id, *numbers)) is not None
    )


EVALUATOR = Holder("a pilot, for the points of jobs that it has now", "point", _holds)

searches = Noun("searches", "Hyperparameter searches: tasks whose jobs evaluate points.")


@searches.get("/v1/tasks/{task_id}/search", Terms(TASK_OWNER, answers=SearchView))
def show_search(request: Request, task_id: TaskId) -> Response:
    """How far a search is, its best point, and every point with its loss."""
    with parts_of(request).books.read() as session:
        return reply(search_view(session, task_id))


@searches.get("/v1/jobs/{job_id}/checkpoints/{file_id}", Terms(EVALUATOR, answers=BYTES))
def fetch_checkpoint(request: Request, job_id: JobId, file_id: PointFile) -> Response:
    """What the try before this one saved of a point, for the pilot that evaluates it now."""
    return FileResponse(parts_of(request).checkpoints.file(file_id), media_type=BYTES)


@searches.put(
    "/v1/jobs/{job_id}/checkpoints/{file_id}",
    Terms(EVALUATOR, takes=BYTES, status=201),
)
async def store_checkpoint(
    request: Request,
    job_id: JobId,
    file_id: PointFile,
    x_adler32: Annotated[str | None, Header(pattern="^[0-9a-fA-F]{8}$")] = None,
) -> Response:
    """Save the newest state of a point: the next try gets it if this job does not end well.

    At most 100 MB. Refused once the job's final report is in, or another has the point.
    """
    actor, limits = actor_of(request), BodyLimits(MAX_CHECKPOINT_MB * MB)
    if actor.pilot_id is None:
        raise NotAllowed("only pilots save checkpoints")
    holder = checkpoints.Holder(actor.pilot_id, job_id, file_id)
    store = parts_of(request).checkpoints
    draft = await store.put(holder, blocks(request, limits), x_adler32)
    return Response(status_code=201, headers={"X-Adler32": draft.adler32})
