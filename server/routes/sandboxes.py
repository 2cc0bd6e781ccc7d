"""Sandboxes: users' files for their jobs, by digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Request, Response
from sqlmodel import Session
from starlette.responses import FileResponse

from server.identity.access import PERSON, Holder, actor_of
from server.identity.actor import Actor
from server.limits import MB, BodyLimits, blocks
from server.parts import parts_of
from server.routing import Noun, Terms
from tasks.views.sandboxes import is_sandbox_of, is_sandbox_of_pilot

sandboxes = Noun("sandboxes", "Archives of users' files for their jobs, by SHA-256.")
ARCHIVE = "application/gzip"
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the archive")]


def _holds(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    digest = str(path["digest"])
    if actor.pilot_id is not None:
        return is_sandbox_of_pilot(session, digest, actor.pilot_id)
    return actor.is_admin or is_sandbox_of(session, digest, actor.subject)


HOLDER = Holder("its owner, administrators, and pilots that run a job with it", "sandbox", _holds)


@sandboxes.put("/v1/sandboxes/{digest}", Terms(PERSON, takes=ARCHIVE, status=201, also=(200,)))
async def upload_sandbox(request: Request, digest: Digest) -> Response:
    """Store an archive (tar, gzipped); 200 if it was there already.

    The server makes the digest itself and refuses bytes that have another; archives with `..`,
    links, devices, or too much in them are refused too.
    """
    parts = parts_of(request)
    limits = BodyLimits(parts.settings.sandbox_max_mb * MB)
    owner = actor_of(request).subject
    created = await parts.sandboxes.put(digest, blocks(request, limits), owner)
    return Response(status_code=201 if created else 200)


@sandboxes.get("/v1/sandboxes/{digest}", Terms(HOLDER, answers=ARCHIVE))
def download_sandbox(request: Request, digest: Digest) -> Response:
    """The archive's bytes."""
    return FileResponse(parts_of(request).sandboxes.file(digest), media_type=ARCHIVE)


@sandboxes.head("/v1/sandboxes/{digest}", Terms(HOLDER))
def check_sandbox(request: Request, digest: Digest) -> Response:
    """Whether you have stored this archive: then it need not be sent again."""
    size = parts_of(request).sandboxes.file(digest).stat().st_size
    return Response(headers={"Content-Length": str(size)}, media_type=ARCHIVE)
