"""What a task's jobs left: their metadata, and output that was lost, produced again."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from culm.wire.recovery import JobMetadataList, RecoveryAnswer, RecoveryRequest
from server.bodies import JsonBody
from server.identity.access import actor_of
from server.limits import DOCUMENT
from server.parts import parts_of
from server.replies import reply
from server.routes.parameters import TaskId
from server.routes.tasks import TASK_OWNER
from server.routing import Noun, Terms
from tasks.stages.recovery import recover
from tasks.views.job_metadata import metadata_of_jobs

log = logging.getLogger(__name__)

task_outputs = Noun("task outputs", "Metadata that jobs left, and recovery of lost output.")
MOST_METADATA = 20
"""Each may have a megabyte."""


@task_outputs.get("/v1/tasks/{task_id}/metadata", Terms(TASK_OWNER, answers=JobMetadataList))
def list_task_metadata(
    request: Request,
    task_id: TaskId,
    limit: Annotated[int, Query(ge=1, le=MOST_METADATA, description="The most jobs")] = 20,
    after: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of a page")] = None,
) -> Response:
    """What the task's jobs wrote into `userJobMetadata.json`, in order of their numbers."""
    with parts_of(request).books.read() as session:
        return reply(metadata_of_jobs(session, task_id, limit, after))


@task_outputs.post(
    "/v1/tasks/{task_id}/recovery",
    Terms(TASK_OWNER, takes=RecoveryRequest, answers=RecoveryAnswer, example={"dry_run": True}),
)
def recover_task(
    request: Request,
    task_id: TaskId,
    wanted: Annotated[RecoveryRequest, Depends(JsonBody(RecoveryRequest, DOCUMENT))],
) -> Response:
    """Produce lost output again: the input of the jobs that wrote it is processed once more.

    With `dry_run` it only says what that would be. 409 where the task has not ended.
    """
    user = actor_of(request).subject
    answer = recover(parts_of(request).books, task_id, user, wanted)
    if answer.lost and not answer.dry_run:
        log.info("lost output is produced again", extra={"task": task_id, "by": user,
                                                         "files": len(answer.lost)})  # fmt: skip
    return reply(answer)
