"""The schema: upgraded any number of times, by any number of processes, killed or not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

import tasks.tables  # noqa: F401 - fills the metadata
from culm.core.errors import Busy, Misconfigured
from tasks.audit import audit
from tasks.store import schema, seed
from tasks.store.books import Books
from tests.builders import a_task
from tests.integration.tasks.racers import Racers

KILLED_HALF_WAY = """
import os, signal, sys
from alembic import op
from tasks.store import schema
from tasks.store.books import Books

create, left = op.create_table, [8]
def create_table(*arguments, **options):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return create(*arguments, **options)
op.create_table = create_table
schema.upgrade(Books(sys.argv[1]))
"""


def test_upgrade_twice_is_upgrade_once(books_url: str, tmp_path: Path) -> None:
    with Books(books_url) as books:
        assert schema.current(books) == ""
        with pytest.raises(Misconfigured, match="the database has schema none"):
            schema.check(books)
        assert schema.upgrade(books) == schema.newest()
        seed.seed(books, tmp_path)
        a_task(books)
        assert schema.upgrade(books) == schema.newest()
        seed.seed(books, tmp_path)
        schema.check(books)
        with books.read() as session:
            assert audit(session) == []


def test_two_processes_upgrade_at_once(books_url: str, racers: Racers) -> None:
    assert racers.race(books_url, "upgrade") == [schema.newest()] * 2
    with Books(books_url) as books:
        schema.check(books)


def test_killed_migration_leaves_the_old_schema(books_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_HALF_WAY, books_url], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with Books(books_url) as books:
        assert schema.current(books) == ""
        schema.upgrade(books)
        schema.check(books)


def test_models_equal_migrations(books: Books) -> None:
    with books.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, SQLModel.metadata)
    if books.is_sqlite:  # its reflection does not tell the order of an index's column
        differences = [d for d in differences if d[1].name != "job_waiting"]
    assert differences == []


def test_other_databases_are_refused() -> None:
    for url in ("mysql://x/y", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(Misconfigured, match="neither sqlite:///FILE nor postgresql"):
            Books(url)


def check_out(books: Books) -> None:
    with books.read() as session:
        session.connection()


def test_pool_that_is_used_up_is_busy_not_broken(books: Books) -> None:
    with Books(books.url, pool_size=1) as few:
        few.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
        with few.engine.connect(), few.engine.connect(), pytest.raises(Busy):
            check_out(few)


def put_offline_and_fail(books: Books) -> None:
    with books.write() as session:
        session.connection().exec_driver_sql("UPDATE queue SET status = 'offline'")
        raise ZeroDivisionError


def test_write_that_fails_leaves_nothing(books: Books) -> None:
    with pytest.raises(ZeroDivisionError):
        put_offline_and_fail(books)
    with books.read() as session:
        found = session.connection().exec_driver_sql("SELECT status FROM queue").scalar()
    assert found == "online"
