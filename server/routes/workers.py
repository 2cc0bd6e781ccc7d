"""Workers: what whoever starts pilots should start next."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request, Response

from culm.wire.views import WorkersWantedList
from server.identity.access import Roles, actor_of
from server.identity.actor import PEOPLE, Role
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
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
