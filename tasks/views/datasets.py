"""Datasets of our own catalogue, their files, and where the copies are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from culm.wire.views import DatasetList, DatasetView, FileList, FileView
from tasks.tables import CatalogDataset, CatalogFile, Replica, StorageEndpoint
from tasks.views.shown import like, moment, page


def dataset_list(
    session: Session, pattern: str = "", limit: int = 100, after: str | None = None
) -> DatasetList:
    """A page of datasets in order of name; `pattern` is a shell pattern on names."""
    query = select(CatalogDataset).order_by(col(CatalogDataset.name)).limit(limit + 1)
    if pattern:
        query = query.where(like(session, CatalogDataset.name, pattern))
    if after is not None:
        query = query.where(col(CatalogDataset.name) > after)
    rows, last = page(session.exec(query).all(), limit)
    return DatasetList(
        datasets=tuple(_dataset(row) for row in rows), next=last.name if last else None
    )


def dataset_view(session: Session, name: str) -> DatasetView:
    """One dataset.

    Raises:
        NotFound: there is no dataset of this name.
    """
    return _dataset(_row(session, name))


def dataset_owner(session: Session, name: str) -> str | None:
    """The name of the dataset's owner; None if there is no such dataset."""
    return session.exec(select(CatalogDataset.owner).where(CatalogDataset.name == name)).first()


def file_list(session: Session, name: str, limit: int = 1000, after: str | None = None) -> FileList:
    """A page of a dataset's files in order of name.

    Raises:
        NotFound: there is no dataset of this name.
    """
    dataset = _row(session, name)
    query = (
        select(CatalogFile)
        .where(CatalogFile.dataset_id == dataset.id)
        .order_by(col(CatalogFile.lfn))
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(col(CatalogFile.lfn) > after)
    rows, last = page(session.exec(query).all(), limit)
    urls = _urls(session, [row.id for row in rows])
    files = tuple(_file(row, urls[row.id]) for row in rows)
    return FileList(files=files, next=last.lfn if last else None)


def file_view(session: Session, name: str, lfn: str) -> FileView:
    """One file of a dataset.

    Raises:
        NotFound: there is no such dataset, or no such file in it.
    """
    row = _file_row(session, name, lfn)
    return _file(row, _urls(session, [row.id])[row.id])


def local_copy(session: Session, name: str, lfn: str) -> tuple[Path, FileView]:
    """Where the bytes of a file lie in a storage that this server can read, and its view.

    Raises:
        NotFound: there is no such dataset or file, or no copy that the server can read.
    """
    row = _file_row(session, name, lfn)
    query = select(Replica.path, StorageEndpoint.directory).where(
        Replica.catalog_file_id == row.id, Replica.endpoint_id == StorageEndpoint.id
    )
    for path, directory in session.exec(query):
        if directory is not None:
            return Path(directory) / path, _file(row, ())
    raise NotFound(
        f"file {lfn} of dataset {name} has no copy that the server can read",
        hint=f"its copies are listed at /v1/datasets/{name}/files",
    )


def _row(session: Session, name: str) -> CatalogDataset:
    row = session.exec(select(CatalogDataset).where(CatalogDataset.name == name)).first()
    if row is None:
        raise NotFound(f"no dataset {name}")
    return row


def _file_row(session: Session, name: str, lfn: str) -> CatalogFile:
    dataset = _row(session, name)
    query = select(CatalogFile).where(CatalogFile.dataset_id == dataset.id, CatalogFile.lfn == lfn)
    row = session.exec(query).first()
    if row is None:
        raise NotFound(f"dataset {name} has no file {lfn}")
    return row


def _urls(session: Session, file_ids: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    query = (
        select(Replica, StorageEndpoint.url)
        .join(StorageEndpoint, col(StorageEndpoint.id) == Replica.endpoint_id, isouter=True)
        .where(col(Replica.catalog_file_id).in_(file_ids))
    )
    found: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
    for replica, prefix in session.exec(query):
        url = replica.path if not prefix else f"{prefix.rstrip('/')}/{replica.path}"
        found[replica.catalog_file_id] += (url,)
    return found


def _dataset(row: CatalogDataset) -> DatasetView:
    return DatasetView(
        name=row.name,
        owner=row.owner,
        open=row.is_open,
        n_files=row.n_files,
        size_bytes=row.size_bytes,
        created_at=moment(row.created_at),
    )


def _file(row: CatalogFile, urls: tuple[str, ...]) -> FileView:
    return FileView(
        lfn=row.lfn,
        size_bytes=row.size_bytes,
        adler32=row.adler32,
        urls=urls,
        n_events=row.n_events,
    )
