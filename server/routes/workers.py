"""Workers: what whoever starts pilots should start next."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request, Response

from culm.core.errors import NotAllowed
from culm.wire.views import WorkersTaken, WorkersWantedList
from server.bodies import JsonBody
from server.identity.access import PROVISIONER, Roles, actor_of
from server.identity.actor import PEOPLE, Role
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.stages.pilot_streaming import take_workers
from tasks.views.queues import workers_wanted

workers = Noun("workers", "Places for pilots: how many each queue should get next.")
PERSON_OR_PROVISIONER = Roles(PEOPLE | {Role.PILOT})


@workers.get("/v1/workers", Terms(PERSON_OR_PROVISIONER, answers=WorkersWantedList))
def list_workers(request: Request) -> Response:
    """How many workers of which resource type each queue should get next.

    Worked out every two minutes from what waits. A provisioner sees the queues that it serves.
    """
    with parts_of(request).books.read() as session:
        found = workers_wanted(session)
    actor = actor_of(request)
    if not actor.roles & PEOPLE:
        mine = tuple(each for each in found.workers if actor.may_serve(each.queue))
        found = replace(found, workers=mine)
    return reply(found)


@workers.post(
    "/v1/workers",
    Terms(PROVISIONER, takes=WorkersTaken, answers=WorkersTaken,
          example={"queue": "CERN", "resource_type": "MCORE", "n_workers": 3}),
)  # fmt: skip
def take(
    request: Request, wish: Annotated[WorkersTaken, Depends(JsonBody(WorkersTaken, SMALL))]
) -> Response:
    """Say that workers are about to be started; the answer says how many of them should be.

    Nobody else is told to start these. A provisioner's token names the queues that it serves.
    """
    if not actor_of(request).may_serve(wish.queue):
        raise NotAllowed(f"this token provisions no pilots for queue {wish.queue}")
    with parts_of(request).books.write() as session:
        granted = take_workers(session, wish.queue, wish.resource_type, wish.n_workers)
    return reply(replace(wish, n_workers=granted))
