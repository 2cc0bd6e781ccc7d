"""Unmerged files leave our storage once they are merged, or never will be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session

from tasks.lifecycles import FILE as MACHINE
from tasks.output_names import UNMERGED as SUFFIX
from tasks.statuses import UNMERGED
from tasks.store.books import Books
from tasks.store.bulk import id_in, text_in
from tasks.store.tables import DATASET, ENDPOINT, FILE

FILES_A_BATCH = 1000
_FINAL = [str(status) for status in MACHINE.final]


def drop_unmerged(books: Books) -> str:
    """Remove the files of run jobs whose merge has finished or was given up.

    What is on the disk is looked up in the books, so that a file is removed however often this
    was interrupted, and no other one is. Gives a line if there was something to tell.
    """
    with books.read() as session:
        found = _folders(session)
    n_files = sum(_drop(books, folder, ids) for folder, ids in found.items())
    return f"{n_files} unmerged files dropped" if n_files else ""


def _folders(session: Session) -> dict[Path, list[int]]:
    """Folders of unmerged files in our storage, with the datasets that they are of."""
    run = session.connection().execute
    places = run(select(ENDPOINT.c.directory).where(ENDPOINT.c.directory.is_not(None)).distinct())
    there = {
        folder for place in places.scalars() for folder in Path(place).glob(f"*{SUFFIX}")
        if folder.is_dir() and not folder.is_symlink()
    }  # fmt: skip
    rows = run(
        select(DATASET.c.id, DATASET.c.name)
        .where(text_in(DATASET.c.name, {folder.name for folder in there}, session),
               DATASET.c.kind.in_(UNMERGED))
    )  # fmt: skip
    ids: dict[str, list[int]] = defaultdict(list)
    for dataset_id, name in rows:
        ids[name].append(dataset_id)
    return {folder: ids[folder.name] for folder in sorted(there) if folder.name in ids}


def _drop(books: Books, folder: Path, dataset_ids: Sequence[int]) -> int:
    n_files, there = 0, (path.name for path in folder.iterdir())
    while names := list(islice(there, FILES_A_BATCH)):
        with books.read() as session:
            done = list(_done(session, dataset_ids, names))
        for name in done:
            (folder / name).unlink(missing_ok=True)
        n_files += len(done)
    with suppress(OSError):  # others are to come
        folder.rmdir()
    return n_files


def _done(session: Session, dataset_ids: Sequence[int], names: Sequence[str]) -> Iterator[str]:
    rows = session.connection().execute(
        select(FILE.c.lfn)
        .where(id_in(FILE.c.dataset_id, dataset_ids, session), text_in(FILE.c.lfn, names, session),
               FILE.c.status.in_(_FINAL))
    )  # fmt: skip
    return iter(rows.scalars().all())
