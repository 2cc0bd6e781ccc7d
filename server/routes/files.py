"""Files of datasets: uploads and downloads, streamed."""

from __future__ import annotations

from pathlib import Path as FsPath
from typing import Annotated

from fastapi import Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from culm.core.errors import Conflict, StorageFailed
from culm.wire.views import FileView
from server.dataset_names import check_may_write
from server.identity.access import PERSON, actor_of
from server.identity.actor import Actor
from server.limits import MB, BodyLimits, blocks
from server.parts import Parts, parts_of
from server.races import looking_again
from server.replies import reply
from server.routes.datasets import READER
from server.routes.parameters import DatasetName, FileName
from server.routing import BYTES, Noun, Terms
from server.storage import check_adler32, inside, present, received, settle
from tasks.catalog.own import NewEntry, add_files, require_dataset
from tasks.views.datasets import file_view, local_copy
from tasks.views.endpoints import default_endpoint

files = Noun("files", "The bytes of datasets in the default storage.")


@files.put(
    "/v1/datasets/{name}/files/{lfn}",
    Terms(PERSON, takes=BYTES, answers=FileView, status=201, also=(200,)),
)
async def upload_file(
    request: Request,
    name: DatasetName,
    lfn: FileName,
    x_adler32: Annotated[str | None, Header(pattern="^[0-9a-fA-F]{8}$")] = None,
    x_n_events: Annotated[int | None, Header(ge=0, le=2**60)] = None,
) -> Response:
    """Upload a file into the default storage and register it in the dataset.

    The body is the bytes themselves. With `X-Adler32` they are checked. Nothing is ever
    overwritten: the same bytes again answer 200, other bytes 409.
    """
    parts, actor = parts_of(request), actor_of(request)
    base, endpoint_id = await run_in_threadpool(_place, parts, actor, name)
    path = f"{name.rstrip('/')}/{lfn}"
    limits = BodyLimits(parts.settings.upload_max_mb * MB)
    async with received(base, blocks(request, limits)) as draft:
        check_adler32(draft, x_adler32)
        # The file first: a row without its bytes would promise what is not there.
        await run_in_threadpool(settle, draft, inside(base, path))
        entry = NewEntry(lfn, draft.size_bytes, draft.adler32, path, endpoint_id, x_n_events)
        created = await run_in_threadpool(_register, parts, name, entry)
    return reply(await run_in_threadpool(_view, parts, name, lfn), 201 if created else 200)


@files.get("/v1/datasets/{name}/files/{lfn}", Terms(READER, answers=BYTES))
def download_file(request: Request, name: DatasetName, lfn: FileName) -> Response:
    """A file's bytes; `X-Adler32` is their checksum. Ranges can be asked for."""
    with parts_of(request).books.read() as session:
        path, view = local_copy(session, name, lfn)
    headers = {"X-Adler32": view.adler32}
    return FileResponse(present(path, "file"), media_type=BYTES, headers=headers, filename=lfn)


def _place(parts: Parts, actor: Actor, name: str) -> tuple[FsPath, int]:
    with parts.books.read() as session:
        dataset = require_dataset(session, name)
        check_may_write(actor, name, dataset.owner)
        if not dataset.is_open:
            raise Conflict(f"dataset {name} is closed: no files are added any more")
        endpoint = default_endpoint(session)
    if endpoint.directory is None or endpoint.id is None:
        raise StorageFailed("the default storage is not on this server")
    return endpoint.directory, endpoint.id


def _register(parts: Parts, name: str, entry: NewEntry) -> bool:
    def add() -> bool:
        with parts.books.write() as session:
            return add_files(session, require_dataset(session, name).id, [entry]) > 0

    return looking_again(add)


def _view(parts: Parts, name: str, lfn: str) -> FileView:
    with parts.books.read() as session:
        return file_view(session, name, lfn)
