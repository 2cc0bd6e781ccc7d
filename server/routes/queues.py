"""Queues: where jobs wait and run."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Request, Response

from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.views import QueueChange, QueueList, QueueView, StatusChange
from server.bodies import JsonBody
from server.identity.access import ADMIN, PERSON, actor_of
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routes.parameters import QueueName, statuses_of
from server.routing import Noun, Terms
from tasks.queue_changes import set_queue, set_queue_status
from tasks.statuses import QueueStatus
from tasks.views.queues import queue_list, queue_view

log = logging.getLogger(__name__)

queues = Noun("queues", "Compute queues of sites: what they offer, what waits and runs there.")


@queues.get("/v1/queues", Terms(PERSON, answers=QueueList))
def list_queues(request: Request) -> Response:
    """All queues."""
    with parts_of(request).books.read() as session:
        return reply(queue_list(session))


@queues.get("/v1/queues/{name}", Terms(PERSON, answers=QueueView))
def show_queue(request: Request, name: QueueName) -> Response:
    """One queue."""
    with parts_of(request).books.read() as session:
        return reply(queue_view(session, name))


@queues.put(
    "/v1/queues/{name}",
    Terms(ADMIN, takes=QueueChange, answers=QueueView, status=200, also=(201,),
          example={"site": "CERN", "settings": {"max_memory_mb": 4000}}),
)  # fmt: skip
def change_queue(
    request: Request,
    name: QueueName,
    change: Annotated[QueueChange, Depends(JsonBody(QueueChange, SMALL))],
) -> Response:
    """Write a queue's site and settings; a queue that is not there is made."""
    with parts_of(request).books.write() as session:
        created = set_queue(session, name, change.site, change.settings)
        view = queue_view(session, name)
    log.info("queue written", extra={"queue": name, "by": actor_of(request).subject})
    return reply(view, 201 if created else 200)


@queues.post(
    "/v1/queues/{name}/status",
    Terms(ADMIN, takes=StatusChange, answers=QueueView, example={"status": "brokeroff"}),
)
def change_queue_status(
    request: Request,
    name: QueueName,
    change: Annotated[StatusChange, Depends(JsonBody(StatusChange, SMALL))],
) -> Response:
    """Put a queue online, offline, to test, brokeroff or paused."""
    status = statuses_of(QueueStatus, change.status)
    if len(status) != 1:
        fault = FieldFault("status", ascii(change.status)[:80], "one status")
        raise InvalidRequest("which status?", faults=[fault])
    with parts_of(request).books.write() as session:
        set_queue_status(session, name, status[0])
        view = queue_view(session, name)
    log.info("queue status set", extra={"queue": name, "status": status[0],
                                        "by": actor_of(request).subject})  # fmt: skip
    return reply(view)
