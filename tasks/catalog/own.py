"""Our own catalogue: datasets, files and replicas in the books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session
from sqlmodel import select as model_select

from culm.core.errors import Conflict, NotAllowed, NotFound
from tasks.store.bulk import FRESH, ids_among, insert_rows, text_in
from tasks.store.ids import take_ids
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.prepared import Prepared
from tasks.store.tables import CATALOG_DATASET, CATALOG_FILE, ENDPOINT, REPLICA
from tasks.tables import CatalogDataset, CatalogFile, Replica


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as the catalogue knows it."""

    id: int
    lfn: str
    size_bytes: int
    adler32: str
    n_events: int | None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A file to be added: its bytes and where a copy is (`endpoint_id` 0: a URL of its own)."""

    lfn: str
    size_bytes: int
    adler32: str
    path: str
    endpoint_id: int = 0
    n_events: int | None = None


def find_dataset(session: Session, name: str) -> CatalogDataset | None:
    """The dataset of this name (a trailing slash does not matter), if there is one."""
    statement = model_select(CatalogDataset).where(CatalogDataset.name == name.rstrip("/"))
    return session.exec(statement, execution_options=FRESH).first()


def missing_datasets(session: Session, names: Iterable[str]) -> set[str]:
    """Those of these names that no dataset bears (a trailing slash does not matter)."""
    wanted = {name: name.rstrip("/") for name in names}
    columns = CATALOG_DATASET.c
    statement = select(columns.name).where(text_in(columns.name, set(wanted.values()), session))
    found = set(session.connection().execute(statement).scalars()) if wanted else set()
    return {name for name, bare in wanted.items() if bare not in found}


def add_dataset(
    session: Session, name: str, owner: str, task_id: int | None = None
) -> CatalogDataset:
    """The dataset of this name, made if it is not there.

    Raises:
        NotAllowed: it is there and another's.
    """
    one_at_a_time(session, f"dataset/{name.rstrip('/')}")
    found = find_dataset(session, name)
    if found is None:
        new_id = take_ids(session, "catalog", 1)[0]
        insert_rows(
            session,
            CatalogDataset,
            ("id", "name", "owner", "task_id"),
            [(new_id, name.rstrip("/"), owner, task_id)],
            now=database_time(session),
        )
        found = find_dataset(session, name)
    if found is None or found.owner != owner:
        raise NotAllowed(f"dataset {name} belongs to somebody else")
    return found


def list_files(session: Session, dataset_id: int) -> Iterator[Entry]:
    """The files of a dataset in order of name."""
    columns = CATALOG_FILE.c
    rows = session.connection().execute(
        select(columns.id, columns.lfn, columns.size_bytes, columns.adler32, columns.n_events)
        .where(columns.dataset_id == dataset_id).order_by(columns.lfn)
    )  # fmt: skip
    return (Entry(*row) for row in rows)


def matches(lfn: str, match: Sequence[str], anti_match: Sequence[str]) -> bool:
    """Whether a name fits one of the patterns (or there are none) and no anti-pattern."""
    wanted = not match or any(fnmatchcase(lfn, pattern) for pattern in match)
    return wanted and not any(fnmatchcase(lfn, pattern) for pattern in anti_match)


def add_files(session: Session, dataset_id: int, files: Sequence[NewEntry]) -> int:
    """Add files and where they are; the dataset's counters follow. Gives how many were added.

    A file that is there with the same size and checksum is left as it is.

    Raises:
        Conflict: a name is there with other bytes.
    """
    # Who adds to a dataset holds it: two that add the same file at once would both find it new.
    session.connection().execute(
        select(CATALOG_DATASET.c.id).where(CATALOG_DATASET.c.id == dataset_id).with_for_update()
    )
    fresh = _fresh(session, dataset_id, files)
    if not fresh:
        return 0
    ids = take_ids(session, "catalog", len(fresh))
    insert_rows(
        session, CatalogFile, ("id", "dataset_id", "lfn", "size_bytes", "adler32", "n_events"),
        [(i, dataset_id, f.lfn, f.size_bytes, f.adler32, f.n_events)
         for i, f in zip(ids, fresh, strict=True)],
    )  # fmt: skip
    insert_rows(
        session,
        Replica,
        ("catalog_file_id", "endpoint_id", "path"),
        [(i, f.endpoint_id, f.path) for i, f in zip(ids, fresh, strict=True)],
    )
    session.connection().execute(
        update(CATALOG_DATASET).where(CATALOG_DATASET.c.id == dataset_id)
        .values(n_files=CATALOG_DATASET.c.n_files + len(fresh),
                size_bytes=CATALOG_DATASET.c.size_bytes + sum(f.size_bytes for f in fresh))
    )  # fmt: skip
    return len(fresh)


def _fresh(session: Session, dataset_id: int, files: Sequence[NewEntry]) -> list[NewEntry]:
    columns = CATALOG_FILE.c
    rows = session.connection().execute(
        select(columns.lfn, columns.size_bytes, columns.adler32)
        .where(columns.dataset_id == dataset_id, text_in(columns.lfn, [f.lfn for f in files],
                                                         session))
    )  # fmt: skip
    there = {row.lfn: (row.size_bytes, row.adler32) for row in rows}
    fresh: dict[str, NewEntry] = {}
    for file in files:
        known = there.get(file.lfn) or (
            (fresh[file.lfn].size_bytes, fresh[file.lfn].adler32) if file.lfn in fresh else None
        )
        if known is None:
            fresh[file.lfn] = file
        elif known != (file.size_bytes, file.adler32):
            raise Conflict(
                f"file {file.lfn} is in the dataset already, with other bytes "
                f"(adler32 {known[1]}, {known[0]} bytes)"
            )
    return list(fresh.values())


_URLS = Prepared(
    select(REPLICA.c.catalog_file_id, REPLICA.c.path, ENDPOINT.c.url)
    .select_from(REPLICA.outerjoin(ENDPOINT, ENDPOINT.c.id == REPLICA.c.endpoint_id))
    .where(ids_among(REPLICA.c.catalog_file_id))
)


def urls_of(session: Session, file_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Where copies of these files are, as URLs, by the file's catalogue id."""
    rows = _URLS.rows(session, ids=list(file_ids))
    found: dict[int, tuple[str, ...]] = {}
    for file_id, path, prefix in rows:
        url = f"{prefix}/{path}" if prefix else path
        found[file_id] = (*found.get(file_id, ()), url)
    return found


def count_files(session: Session, dataset_id: int) -> tuple[int, int]:
    """How many files a dataset has by its rows, and their bytes (the audit's view)."""
    columns = CATALOG_FILE.c
    row: Any = session.connection().execute(
        select(func.count(), func.coalesce(func.sum(columns.size_bytes), 0))
        .where(columns.dataset_id == dataset_id)
    ).one()  # fmt: skip
    return int(row[0]), int(row[1])


def require_dataset(session: Session, name: str) -> CatalogDataset:
    """The dataset of this name.

    Raises:
        NotFound: there is none.
    """
    found = find_dataset(session, name)
    if found is None:
        raise NotFound(f"no dataset {name}", hint="culm dataset list")
    return found
