"""Datasets of our own catalogue, their files, and where the copies are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from culm.wire.views import DatasetList, DatasetView, FileList, FileView
from tasks.catalog.own import urls_of
from tasks.statuses import DatasetKind
from tasks.store.bulk import FRESH
from tasks.tables import CatalogDataset, CatalogFile, Dataset, Replica, StorageEndpoint
from tasks.views.shown import like, moment, page


@dataclass(frozen=True, slots=True)
class DatasetFilter:
    """Which datasets a list shows: names that fit, that `reader` may read (None: all)."""

    pattern: str = ""
    reader: str | None = None
    limit: int = 100
    after: str | None = None


def dataset_list(session: Session, wanted: DatasetFilter) -> DatasetList:
    """A page of datasets in order of name."""
    query = select(CatalogDataset).order_by(col(CatalogDataset.name)).limit(wanted.limit + 1)
    if wanted.pattern:
        query = query.where(like(session, CatalogDataset.name, wanted.pattern))
    if wanted.reader is not None:
        query = query.where(or_(col(CatalogDataset.owner) == wanted.reader, ~_holds_logs()))
    if wanted.after is not None:
        query = query.where(col(CatalogDataset.name) > wanted.after)
    rows, last = page(session.exec(query).all(), wanted.limit)
    return DatasetList(
        datasets=tuple(_dataset(row) for row in rows), next=last.name if last else None
    )


def is_readable(session: Session, name: str, reader: str | None) -> bool:
    """Whether there is such a dataset and this user may read it; None stands for anybody.

    All may read datasets but logs: those say what a job printed, and are its owner's.
    """
    query = select(CatalogDataset.id).where(CatalogDataset.name == name.rstrip("/"))
    if reader is not None:
        query = query.where(or_(col(CatalogDataset.owner) == reader, ~_holds_logs()))
    return session.exec(query).first() is not None


def _holds_logs() -> ColumnElement[bool]:
    return exists().where(
        col(Dataset.task_id) == CatalogDataset.task_id,
        col(Dataset.name) == CatalogDataset.name,
        col(Dataset.kind) == DatasetKind.LOG,
    )


def dataset_view(session: Session, name: str) -> DatasetView:
    """One dataset.

    Raises:
        NotFound: there is no dataset of this name.
    """
    return _dataset(_row(session, name))


def dataset_owner(session: Session, name: str) -> str | None:
    """The name of the dataset's owner; None if there is no such dataset."""
    query = select(CatalogDataset.owner).where(CatalogDataset.name == name.rstrip("/"))
    return session.exec(query).first()


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
    urls = urls_of(session, [row.id for row in rows])
    files = tuple(_file(row, urls.get(row.id, ())) for row in rows)
    return FileList(files=files, next=last.lfn if last else None)


def file_view(session: Session, name: str, lfn: str) -> FileView:
    """One file of a dataset.

    Raises:
        NotFound: there is no such dataset, or no such file in it.
    """
    row = _file_row(session, name, lfn)
    return _file(row, urls_of(session, [row.id]).get(row.id, ()))


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
    # Read anew: the same transaction may have added files by statements of its own.
    query = select(CatalogDataset).where(CatalogDataset.name == name.rstrip("/"))
    row = session.exec(query, execution_options=FRESH).first()
    if row is None:
        raise NotFound(f"no dataset {name}", hint="culm dataset list")
    return row


def _file_row(session: Session, name: str, lfn: str) -> CatalogFile:
    dataset = _row(session, name)
    query = select(CatalogFile).where(CatalogFile.dataset_id == dataset.id, CatalogFile.lfn == lfn)
    row = session.exec(query).first()
    if row is None:
        raise NotFound(f"dataset {name} has no file {lfn}")
    return row


def _dataset(row: CatalogDataset) -> DatasetView:
    return DatasetView(
        name=row.name,
        owner=row.owner,
        open=row.is_open,
        n_files=row.n_files,
        size_bytes=row.size_bytes,
        created_at=moment(row.created_at),
        task_id=row.task_id,
    )


def _file(row: CatalogFile, urls: tuple[str, ...]) -> FileView:
    return FileView(
        lfn=row.lfn,
        size_bytes=row.size_bytes,
        adler32=row.adler32,
        urls=urls,
        n_events=row.n_events,
    )
