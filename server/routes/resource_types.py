"""Resource types: the kinds of need by which jobs and workers are counted."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from culm.core import names
from culm.wire.resource_types import NewResourceType, ResourceTypeList, ResourceTypeView
from server.bodies import JsonBody
from server.identity.access import ADMIN, PERSON, actor_of
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.resource_type_changes import add_type, list_types, remove_type, set_type, show_type

log = logging.getLogger(__name__)

resource_types = Noun(
    "resource types", "Kinds of need, by cores and memory: what jobs and workers are counted by."
)

Name = Annotated[str, Path(pattern=f"^(?:{names.USER.pattern})$", description="The type's name")]
Wanted = Annotated[NewResourceType, Depends(JsonBody(NewResourceType, SMALL))]
_EXAMPLE = {"name": "MCORE_HUGE", "min_cores": 16, "min_memory_mb_per_core": 2001}


@resource_types.get("/v1/resource-types", Terms(PERSON, answers=ResourceTypeList))
def list_resource_types(request: Request) -> Response:
    """All types, with the jobs that are of each."""
    with parts_of(request).books.read() as session:
        return reply(list_types(session))


@resource_types.get("/v1/resource-types/{name}", Terms(PERSON, answers=ResourceTypeView))
def show_resource_type(request: Request, name: Name) -> Response:
    """One type."""
    with parts_of(request).books.read() as session:
        return reply(show_type(session, name))


@resource_types.post(
    "/v1/resource-types",
    Terms(ADMIN, takes=NewResourceType, answers=ResourceTypeView, status=201, example=_EXAMPLE),
)
def add_resource_type(request: Request, wanted: Wanted) -> Response:
    """Add a type; tasks and jobs that fit it best are counted by it from now on."""
    with parts_of(request).books.write() as session:
        view = add_type(session, wanted)
    log.info("resource type added", extra={"type": view.name, "by": actor_of(request).subject})
    return reply(view, 201)


@resource_types.put(
    "/v1/resource-types/{name}",
    Terms(ADMIN, takes=NewResourceType, answers=ResourceTypeView, example=_EXAMPLE),
)
def change_resource_type(request: Request, name: Name, wanted: Wanted) -> Response:
    """Write a type anew."""
    with parts_of(request).books.write() as session:
        view = set_type(session, name, wanted)
    log.info("resource type changed", extra={"type": name, "by": actor_of(request).subject})
    return reply(view)


@resource_types.delete("/v1/resource-types/{name}", Terms(ADMIN, answers=ResourceTypeView))
def remove_resource_type(request: Request, name: Name) -> Response:
    """Remove a type; the answer is what it was."""
    with parts_of(request).books.write() as session:
        view = remove_type(session, name)
    log.info("resource type removed", extra={"type": name, "by": actor_of(request).subject})
    return reply(view)
