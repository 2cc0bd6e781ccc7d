"""The cache: archives that users send under names of their own, and get back by them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Path as InPath
from fastapi import Request, Response
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from culm.core import names
from culm.core.errors import NotFound
from server.identity.access import PERSON, Holder, actor_of
from server.identity.actor import Actor
from server.limits import MB, BodyLimits
from server.panda.asked import Asked
from server.panda.calls import API, Calls
from server.panda.envelope import Said, enveloped
from server.panda.uploads import Upload
from server.parts import Parts, parts_of
from server.routing import Noun, Terms
from tasks.store.cache_files import Content, digest_of, digests_of, name_file, same_content
from tasks.views.sandboxes import is_sandbox_of_pilot

files = Noun("panda: files", "Archives that PanDA's client sends along with its tasks.")
_calls = Calls(files, "file_server")
_NAME = f"^(?:{names.LFN.pattern})$"
_FOOTER = struct.Struct("<II")


@_calls.post("validate_cache_file")
def validate_cache_file(asked: Asked) -> Said:
    """Say whether you have sent this content before: then its old name stands for it.

    `checksum` is the CRC in the gzip's footer, `file_size` the size of the gzip.
    """
    content = Content(crc32=asked.number("checksum"), size_bytes=asked.number("file_size"))
    with asked.parts.books.read() as session:
        found = same_content(session, asked.actor.subject, content)
    if found is None or not asked.parts.sandboxes.path(found[1]).is_file():
        return Said(message="NOTFOUND")
    return Said(message=f"FOUND:{asked.host}:{found[0]}")


@files.post(f"{API}/file_server/upload_cache_file", Terms(PERSON, answers="application/json"))
async def upload_cache_file(request: Request) -> Response:
    """Store an archive (tar, gzipped), sent as the part `file` of a form, under its name.

    Archives with `..`, links, devices, or too much in them are refused.
    """
    parts, owner = parts_of(request), actor_of(request).subject
    upload = Upload(request, BodyLimits(parts.settings.sandbox_max_mb * MB))
    digest = await parts.sandboxes.keep(upload.blocks(), owner)
    await run_in_threadpool(_note, parts, owner, upload.name, digest)
    return enveloped(Said(message=f"{upload.name} is stored"))


def _note(parts: Parts, owner: str, name: str, digest: str) -> None:
    content = _content_of(parts.sandboxes.path(digest))
    with parts.books.write() as session:
        name_file(session, owner, name, digest, content)


def _content_of(path: Path) -> Content:
    with path.open("rb") as stream:
        stream.seek(-_FOOTER.size, 2)
        crc32, _ = _FOOTER.unpack(stream.read())
    return Content(crc32=crc32, size_bytes=path.stat().st_size)


def _holds(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    name = str(path["name"])
    if actor.pilot_id is None:
        return digest_of(session, actor.subject, name) is not None
    return any(is_sandbox_of_pilot(session, d, actor.pilot_id) for d in digests_of(session, name))


HOLDER = Holder("its owner, and pilots that run a job with it", "file", _holds)


@files.get("/cache/{name}", Terms(HOLDER, answers="application/gzip"))
def download_cache_file(request: Request, name: Annotated[str, InPath(pattern=_NAME)]) -> Response:
    """The archive's bytes."""
    parts, actor = parts_of(request), actor_of(request)
    with parts.books.read() as session:
        found = _mine(session, actor, name)
    if found is None:
        raise NotFound(f"no file {name}")
    return FileResponse(parts.sandboxes.file(found), media_type="application/gzip")


def _mine(session: Session, actor: Actor, name: str) -> str | None:
    if actor.pilot_id is None:
        return digest_of(session, actor.subject, name)
    number = actor.pilot_id
    held = (d for d in digests_of(session, name) if is_sandbox_of_pilot(session, d, number))
    return next(held, None)
