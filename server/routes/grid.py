"""The grid: sites, queues, storage endpoints and links, in one document."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Request, Response

from culm.wire.grid import Grid, GridChange, GridUpload
from server.bodies import JsonBody
from server.identity.access import ADMIN, PERSON, actor_of
from server.limits import BULK
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.grid_changes import write_grid
from tasks.views.grid import whole_grid

log = logging.getLogger(__name__)

grid = Noun("grid", "Sites, queues, storage and links as one document.")
_EXAMPLE = {
    "document": {
        "sites": {"CERN": {"is_nucleus": True}},
        "queues": {"CERN-PROD": {"site": "CERN", "settings": {"core_count": 8}}},
    },
    "dry_run": True,
}


@grid.get("/v1/grid", Terms(PERSON, answers=Grid))
def show_the_grid(request: Request) -> Response:
    """Sites, storage with its space, queues and links, in the form in which they are written."""
    with parts_of(request).books.read() as session:
        return reply(whole_grid(session))


@grid.post("/v1/grid", Terms(ADMIN, takes=GridUpload, answers=GridChange, example=_EXAMPLE))
def write_the_grid(
    request: Request, upload: Annotated[GridUpload, Depends(JsonBody(GridUpload, BULK))]
) -> Response:
    """Write what a document says; what it does not name stays as it is.

    All or nothing: with one fault nothing is changed, and every fault is named. CRIC's list of
    queues by name is taken too.
    """
    with parts_of(request).books.write() as session:
        change = write_grid(session, upload.document, dry_run=upload.dry_run)
    if not upload.dry_run:
        log.info("grid written", extra={"added": len(change.queues_added),
                                        "changed": len(change.queues_changed),
                                        "by": actor_of(request).subject})  # fmt: skip
    return reply(change)
