"""What a new database holds: one share, one site, one queue, one storage, the counters."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text
from sqlmodel import Session

from culm.core.ids import FIRST_TASK_ID
from tasks.store.books import Books

LOCAL = "LOCAL"
SHARE = "default"
_COUNTERS = {"task": FIRST_TASK_ID, "dataset": 1, "file": 1, "job": 1, "pilot": 1, "catalog": 1}


def seed(books: Books, storage_dir: Path) -> None:
    """Add what is missing of the defaults; what is there stays as it is."""
    with books.write() as session:
        for noun, first in _COUNTERS.items():
            _add(session, "id_counter (noun, next_id)", {"a": noun, "b": first})
        _add(session, "global_share (name, weight)", {"a": SHARE, "b": 1.0})
        _site(session, storage_dir)


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
