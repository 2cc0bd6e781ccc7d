"""What PanDA's pilot reads before it asks for work; it sends no token for that."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request, Response

from culm.core.errors import NotFound
from server.identity.access import PUBLIC
from server.panda.envelope import json_answer
from server.panda.pilots.queue_data import queue_data, storage_data
from server.parts import parts_of
from server.routing import JSON, Noun, Terms
from tasks.queues import queue_settings
from tasks.views.grid import whole_grid
from tasks.views.guest_jobs import endpoints_of, shared_endpoints

queue_noun = Noun("PanDA's queue data", "Queues and storage, as PanDA's pilot reads them.")
QueueName = Annotated[str, Path(max_length=63, description="The queue's name")]


@queue_noun.get("/cache/schedconfig/{queue_name}.all.json", Terms(PUBLIC, answers=JSON))
def show_queue_data(request: Request, queue_name: QueueName) -> Response:
    """One queue, flat."""
    return json_answer(_queue(request, queue_name))


@queue_noun.get("/cache/schedconfig/{queue_name}.json", Terms(PUBLIC, answers=JSON))
def show_queues(request: Request, queue_name: QueueName) -> Response:
    """The same queue by its name, as `queues_url` of the pilot's configuration wants it."""
    return json_answer({queue_name: _queue(request, queue_name)})


def _queue(request: Request, name: str) -> dict[str, Any]:
    with parts_of(request).books.read() as session:
        found = whole_grid(session).queues.get(name)
        endpoints = endpoints_of(session, name)
    if found is None:
        raise NotFound(f"no queue {name}")
    settings = queue_settings(found.settings, name)
    return queue_data(name, found.status or "online", found.site, settings, endpoints)


@queue_noun.get("/cache/ddmendpoints.json", Terms(PUBLIC, answers=JSON))
def show_storage_data(request: Request) -> Response:
    """The endpoints whose files lie in a directory."""
    with parts_of(request).books.read() as session:
        sites = whole_grid(session).endpoints
        places = shared_endpoints(session)
    return json_answer({n: storage_data(sites[n].site, n, folder) for n, folder in places})
