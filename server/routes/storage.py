"""Storage for pilots that do not share a file system with the server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FsPath
from typing import Annotated, Any

from fastapi import Header, Path, Request, Response
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from culm.core.errors import NotFound
from server.identity.access import Holder, actor_of
from server.identity.actor import Actor
from server.limits import MB, BodyLimits, blocks
from server.parts import Parts, parts_of
from server.routing import BYTES, Noun, Terms
from server.storage import check_adler32, inside, present, received, settle
from tasks.views import pilot_files
from tasks.views.endpoints import endpoint

storage = Noun("storage", "Files of jobs, for pilots without the site's own storage.")

EndpointName = Annotated[str, Path(max_length=63, description="The storage endpoint's name")]
FilePath = Annotated[str, Path(max_length=1000, description="`<dataset>/<file>`")]


def _reads(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    return actor.pilot_id is not None and pilot_files.reads(
        session, actor.pilot_id, path["endpoint_name"], path["path"]
    )


def _writes(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    return actor.pilot_id is not None and pilot_files.writes(
        session, actor.pilot_id, path["endpoint_name"], path["path"]
    )


READER = Holder("a pilot, for the inputs of jobs that it has now", "file", _reads)
WRITER = Holder("a pilot, for the outputs of jobs that it has now", "output", _writes)


@storage.get("/v1/storage/{endpoint_name}/{path:path}", Terms(READER, answers=BYTES))
def fetch_file(request: Request, endpoint_name: EndpointName, path: FilePath) -> Response:
    """An input's bytes, for a pilot that has a job with it."""
    parts = parts_of(request)
    place = inside(_directory(parts, endpoint_name), path)
    return FileResponse(present(place, "file"), media_type=BYTES)


@storage.put(
    "/v1/storage/{endpoint_name}/{path:path}", Terms(WRITER, takes=BYTES, status=201, also=(200,))
)
async def store_file(
    request: Request,
    endpoint_name: EndpointName,
    path: FilePath,
    x_adler32: Annotated[str | None, Header(pattern="^[0-9a-fA-F]{8}$")] = None,
) -> Response:
    """Store an output, for a pilot that has the job that writes it.

    Refused once the job's final report is in. Nothing is overwritten: the same bytes again
    answer 200, other bytes 409.
    """
    parts, actor = parts_of(request), actor_of(request)
    base = await run_in_threadpool(_directory, parts, endpoint_name)
    target = inside(base, path)
    limits = BodyLimits(parts.settings.upload_max_mb * MB)
    async with received(base, blocks(request, limits)) as draft:
        check_adler32(draft, x_adler32)
        # Asked again: an upload takes long, and the job may have ended meanwhile.
        await run_in_threadpool(_still_writes, parts, actor, endpoint_name, path)
        created = await run_in_threadpool(settle, draft, target)
    return Response(status_code=201 if created else 200, headers={"X-Adler32": draft.adler32})


def _directory(parts: Parts, endpoint_name: str) -> FsPath:
    with parts.books.read() as session:
        found = endpoint(session, endpoint_name)
    if found.directory is None:
        raise NotFound(f"storage endpoint {endpoint_name} is not on this server")
    return found.directory


def _still_writes(parts: Parts, actor: Actor, endpoint_name: str, path: str) -> None:
    with parts.books.read() as session:
        if not _writes(session, actor, {"endpoint_name": endpoint_name, "path": path}):
            raise NotFound(f"no output {path}")
