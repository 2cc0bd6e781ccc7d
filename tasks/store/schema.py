"""The schema: bring a database to the newest one, or say which one it has."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from culm.core.errors import Misconfigured
from tasks.store.books import Books
from tasks.store.wakeups import ensure_topics

ONE_AT_A_TIME = 7_215_330_018
"""The key of PostgreSQL's advisory lock under which migrations run."""


def upgrade(books: Books) -> str:
    """Bring the database to the newest schema; gives its revision.

    Two processes may call it at once: one migrates, the other waits and finds it done. Each
    migration is one transaction, so a killed one leaves the old schema.
    """
    with books.write() as session:
        connection = session.connection()
        if not books.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
        command.upgrade(_config(connection), "head")
    ensure_topics(books)
    return newest()


def current(books: Books) -> str:
    """The revision that the database has; empty for an empty database.

    Raises:
        Busy: the database did not answer.
    """
    with books.read() as session:
        return MigrationContext.configure(session.connection()).get_current_revision() or ""


def newest() -> str:
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def check(books: Books) -> None:
    """Nothing, if the database has this program's schema.

    Raises:
        Misconfigured: it has another; the message says what to do.
    """
    found = current(books)
    if found != newest():
        raise Misconfigured(
            f"the database has schema {found or 'none'}, this program needs {newest()}",
            hint="run: culm db init",
        )


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
