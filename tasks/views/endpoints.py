"""Storage endpoints as the server needs them to give and take files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from tasks.tables import StorageEndpoint


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place for files; `directory` is where they lie, if this server can reach them."""

    id: int | None
    name: str
    url: str
    directory: Path | None


def default_endpoint(session: Session) -> Endpoint:
    """Where uploads go: the first endpoint.

    Raises:
        NotFound: there is none.
    """
    row = session.exec(select(StorageEndpoint).order_by(col(StorageEndpoint.id))).first()
    if row is None:
        raise NotFound("no storage endpoint is defined", hint="culm db init")
    return _endpoint(row)


def endpoint(session: Session, name: str) -> Endpoint:
    """The endpoint of this name.

    Raises:
        NotFound: there is none.
    """
    row = session.exec(select(StorageEndpoint).where(StorageEndpoint.name == name)).first()
    if row is None:
        raise NotFound(f"no storage endpoint {name}")
    return _endpoint(row)


def _endpoint(row: StorageEndpoint) -> Endpoint:
    directory = Path(row.directory) if row.directory else None
    return Endpoint(row.id, row.name, row.url, directory)
