"""What a new database holds: a share, resource types, a site with a queue and storage, counters."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from sqlalchemy import select, text
from sqlmodel import Session

from broker.resource_types import USUAL
from broker.shares import DEFAULT
from culm.core.ids import FIRST_TASK_ID
from tasks.store.books import Books
from tasks.store.tables import GLOBAL_SHARE, RESOURCE_TYPE

LOCAL = "LOCAL"
_COUNTERS = {
    "task": FIRST_TASK_ID, "dataset": 1, "file": 1, "job": 1, "pilot": 1, "catalog": 1,
    "workflow": 1, "step": 1,
}  # fmt: skip


def seed(books: Books, storage_dir: Path) -> None:
    """Add what is missing of the defaults; what is there stays as it is."""
    with books.write() as session:
        for noun, first in _COUNTERS.items():
            _add(session, "id_counter (noun, next_id)", {"a": noun, "b": first})
        _shares(session)
        _resource_types(session)
        _site(session, storage_dir)


def _shares(session: Session) -> None:
    """One share that gets everything, unless an operator has made a tree."""
    if session.connection().execute(select(GLOBAL_SHARE.c.name).limit(1)).first() is None:
        _add(session, "global_share (name, weight)", {"a": DEFAULT, "b": 1.0})


def _resource_types(session: Session) -> None:
    """The usual ones, unless an operator has some."""
    if session.connection().execute(select(RESOURCE_TYPE.c.name).limit(1)).first() is None:
        session.connection().execute(_ADD_TYPE, [asdict(each) for each in USUAL])


_ADD_TYPE = text(
    "INSERT INTO resource_type VALUES (:name, :min_cores, :max_cores, "
    ":min_memory_mb_per_core, :max_memory_mb_per_core) ON CONFLICT DO NOTHING"
)


def _site(session: Session, storage_dir: Path) -> None:
    run = session.connection().execute
    run(text("INSERT INTO site (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": LOCAL})
    run(
        text(
            "INSERT INTO queue (name, site_id, status, settings) "
            "SELECT name, id, 'online', '{}' FROM site WHERE name = :name ON CONFLICT DO NOTHING"
        ),
        {"name": LOCAL},
    )
    run(
        text(
            "INSERT INTO storage_endpoint (name, site_id, url, directory) "
            "SELECT name, id, :url, :directory FROM site WHERE name = :name ON CONFLICT DO NOTHING"
        ),
        {
            "name": LOCAL,
            "url": storage_dir.absolute().as_uri(),
            "directory": str(storage_dir.absolute()),
        },
    )
    run(
        text(
            "INSERT INTO queue_storage (queue_id, endpoint_id) SELECT q.id, e.id "
            "FROM queue q, storage_endpoint e WHERE q.name = :name AND e.name = :name "
            "ON CONFLICT DO NOTHING"
        ),
        {"name": LOCAL},
    )


def _add(session: Session, target: str, row: dict[str, object]) -> None:
    statement = f"INSERT INTO {target} VALUES (:a, :b) ON CONFLICT DO NOTHING"  # noqa: S608
    session.connection().execute(text(statement), row)
