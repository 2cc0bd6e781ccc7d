"""Datasets of our own catalogue: listing, registering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from sqlmodel import Session

from culm.core.errors import Conflict
from culm.wire.views import DatasetList, DatasetView, FileList, NewDataset
from server.bodies import JsonBody
from server.dataset_names import check_may_write
from server.identity.access import PERSON, Holder, actor_of
from server.identity.actor import PEOPLE, Actor
from server.limits import BULK
from server.parts import parts_of
from server.races import looking_again
from server.replies import reply
from server.routes.parameters import DatasetName, Glob, Limit
from server.routing import Noun, Terms
from tasks.catalog.own import NewEntry, add_dataset, add_files
from tasks.store.books import Books
from tasks.views.datasets import (
    DatasetFilter,
    dataset_list,
    dataset_owner,
    dataset_view,
    file_list,
    is_readable,
)

datasets = Noun("datasets", "Named collections of files. All users read them, owners write them.")

_EXAMPLE = {
    "name": "user.alice.digits",
    "files": [
        {
            "lfn": "digits_00.csv",
            "url": "https://data.example.org/digits_00.csv",
            "size_bytes": 12345,
            "adler32": "0a1b2c3d",
            "n_events": 100,
        }
    ],
}
After = Annotated[str | None, Query(max_length=255, description="`next` of a page")]


def _may_read(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    if not actor.roles & PEOPLE:
        return False
    return is_readable(session, path["name"], None if actor.is_admin else actor.subject)


READER = Holder("all users; logs of jobs: their owner, administrators", "dataset", _may_read)


@datasets.get("/v1/datasets", Terms(PERSON, answers=DatasetList))
def list_datasets(
    request: Request, pattern: Glob = "", limit: Limit = 100, after: After = None
) -> Response:
    """Datasets in order of name. Logs of other people's jobs are not among them."""
    actor = actor_of(request)
    reader = None if actor.is_admin else actor.subject
    with parts_of(request).books.read() as session:
        return reply(dataset_list(session, DatasetFilter(pattern, reader, limit, after)))


@datasets.post(
    "/v1/datasets",
    Terms(PERSON, takes=NewDataset, answers=DatasetView, status=201, also=(200,), example=_EXAMPLE),
)
def register_dataset(
    request: Request, new: Annotated[NewDataset, Depends(JsonBody(NewDataset, BULK))]
) -> Response:
    """Register a dataset, or add files to one that is yours.

    Files that are there with the same size and checksum are left as they are, so the call can
    be repeated; a name that is there with other bytes is refused, and nothing is added then.
    The name begins with `user.<your name>.`; production may use others.
    """
    books, actor = parts_of(request).books, actor_of(request)
    view, created = looking_again(lambda: _register(books, actor, new))
    return reply(view, 201 if created else 200)


def _register(books: Books, actor: Actor, new: NewDataset) -> tuple[DatasetView, bool]:
    entries = [
        NewEntry(f.lfn, f.size_bytes, f.adler32, f.url, n_events=f.n_events) for f in new.files
    ]
    with books.write() as session:
        owner = dataset_owner(session, new.name)
        check_may_write(actor, new.name, owner)
        row = add_dataset(session, new.name, owner or actor.subject)
        if entries and not row.is_open:
            raise Conflict(f"dataset {new.name} is closed: no files are added any more")
        add_files(session, row.id, entries)
        return dataset_view(session, new.name), owner is None


@datasets.get("/v1/datasets/{name}", Terms(READER, answers=DatasetView))
def show_dataset(request: Request, name: DatasetName) -> Response:
    """One dataset."""
    with parts_of(request).books.read() as session:
        return reply(dataset_view(session, name))


@datasets.get("/v1/datasets/{name}/files", Terms(READER, answers=FileList))
def list_files(
    request: Request, name: DatasetName, limit: Limit = 1000, after: After = None
) -> Response:
    """A dataset's files in order of name, and where their copies are."""
    with parts_of(request).books.read() as session:
        return reply(file_list(session, name, limit, after))
