"""The data locality updater: where the input of each living task is, for all to read cheaply."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlmodel import Session

from tasks.statuses import DatasetKind
from tasks.store.books import Books
from tasks.store.bulk import insert_rows
from tasks.store.locks import not_beside, one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import (
    CATALOG_FILE,
    DATASET,
    DATASET_LOCALITY,
    ENDPOINT,
    FILE,
    QUEUE,
    QUEUE_STORAGE,
    REPLICA,
    TASK,
    TASK_ALIVE,
)
from tasks.tables import DatasetLocality

_COPIES = (
    select(DATASET.c.id, REPLICA.c.endpoint_id, DATASET.c.task_id, func.count(),
           func.sum(CATALOG_FILE.c.size_bytes))
    .join(TASK, TASK.c.id == DATASET.c.task_id)
    .join(FILE, FILE.c.dataset_id == DATASET.c.id)
    .join(CATALOG_FILE, CATALOG_FILE.c.id == FILE.c.catalog_file_id)
    .join(REPLICA, REPLICA.c.catalog_file_id == CATALOG_FILE.c.id)
    .join(ENDPOINT, ENDPOINT.c.id == REPLICA.c.endpoint_id)
    .where(TASK_ALIVE, DATASET.c.kind == str(DatasetKind.INPUT), FILE.c.start_event == 0)
    .group_by(DATASET.c.id, REPLICA.c.endpoint_id, DATASET.c.task_id)
)  # fmt: skip
LOCK = "locality"
"""The updater and those who look up one task keep out of each other's way."""
_COLUMNS = ("dataset_id", "endpoint_id", "task_id", "n_files", "size_bytes")


def note_locality(session: Session, task_id: int) -> None:
    """Look up where the input of one task is: a new one need not wait for the updater."""
    not_beside(session, LOCK)
    found = session.connection().execute(_COPIES.where(TASK.c.id == task_id)).all()
    session.connection().execute(
        delete(DATASET_LOCALITY).where(DATASET_LOCALITY.c.task_id == task_id)
    )
    rows = [(*row[:3], int(row[3]), int(row[4])) for row in found]
    insert_rows(session, DatasetLocality, _COLUMNS, rows, now=database_time(session))


def update_locality(books: Books) -> str:
    """Look up anew where the input of the living tasks is; that of ended ones is forgotten.

    The looking only reads; what it found replaces the table in one transaction, but for tasks
    that were looked up meanwhile.
    """
    with books.read() as session:
        began = database_time(session)
        rows = [
            (*row[:3], int(row[3]), int(row[4])) for row in session.connection().execute(_COPIES)
        ]
    with books.write() as session:
        one_at_a_time(session, LOCK)
        run, c = session.connection().execute, DATASET_LOCALITY.c
        gone = run(delete(DATASET_LOCALITY).where(c.at <= began)).rowcount
        fresh = set(run(select(c.task_id).distinct()).scalars())
        rows = [row for row in rows if row[2] not in fresh]
        insert_rows(session, DatasetLocality, _COLUMNS, rows, now=database_time(session))
    return f"input of living tasks: {len(rows)} places" if rows or gone else ""


_NEAR = (
    select(DATASET_LOCALITY.c.task_id, QUEUE.c.name, DATASET_LOCALITY.c.dataset_id)
    .join(QUEUE_STORAGE, QUEUE_STORAGE.c.endpoint_id == DATASET_LOCALITY.c.endpoint_id)
    .join(QUEUE, QUEUE.c.id == QUEUE_STORAGE.c.queue_id)
)


def queues_with_input(session: Session) -> dict[int, frozenset[str]]:
    """The queues that read all input datasets of a task from their own storage, by task, as it
    was last looked up; a part of a dataset is enough.
    """
    by_task: dict[int, dict[int, set[str]]] = {}
    for task_id, queue, dataset_id in session.connection().execute(_NEAR):
        by_task.setdefault(task_id, {}).setdefault(dataset_id, set()).add(queue)
    return {
        task_id: frozenset(set.intersection(*datasets.values()))
        for task_id, datasets in by_task.items()
    }
