"""`culm daemon` as processes over a test's books, and what they did to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from culm.wire.task_spec import TaskSpec
from tasks.stages.submit import submit
from tasks.store.books import Books
from tests.integration.flows.prefect_scene import wait_until

SCRIPT = Path(__file__).parents[2] / "daemon_with_short_leases.py"
NOBODY = "http://127.0.0.1:9/api"


@dataclass
class Daemon:
    """One process and its log."""

    process: subprocess.Popen[str]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self) -> int:
        """The exit code after a SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@dataclass
class Daemons:
    """Starts daemons over these books."""

    books: Books
    directory: Path
    started: list[Daemon] = field(default_factory=list)

    def start(self, *arguments: str, lease: float = 60, prefect: str = NOBODY,
              database_url: str = "") -> Daemon:  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment |= {
            "CULM_DATA_DIR": str(self.directory / "data"),
            "CULM_DATABASE_URL": database_url or self.books.url,
            "CULM_PREFECT_API_URL": prefect,
        }
        log_file = self.directory / f"daemon{len(self.started)}.log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(lease), *arguments], env=environment,
                stderr=log, stdout=subprocess.PIPE, text=True, cwd=self.directory,
            )  # fmt: skip
        daemon = Daemon(process, log_file)
        self.started.append(daemon)
        return daemon

    def start_on_duty(self, *arguments: str, lease: float = 60) -> Daemon:
        daemon = self.start(*arguments, lease=lease)
        wait_until(lambda: "on duty" in daemon.log, 60)
        return daemon

    def kill_all(self) -> None:
        for daemon in self.started:
            if daemon.process.poll() is None:
                daemon.process.kill()
            daemon.process.communicate()


def submit_tasks(books: Books, count: int, first: int = 0) -> list[int]:
    """Ids of so many tasks of two jobs each."""
    specs = [
        TaskSpec(name=f"user.alice.hello{i}", command="true", n_jobs=2)
        for i in range(first, first + count)
    ]
    return [submit(books, spec, "alice", spec.name).task_id for spec in specs]


def jobs_of(books: Books) -> Counter[int]:
    """How many jobs each task has."""
    return _counted(books, "SELECT task_id FROM job")


def moves_of(books: Books, event: str) -> Counter[int]:
    """How often the event moved each task."""
    sql = "SELECT entity_id FROM status_history WHERE noun = 'task' AND event = :event"
    return _counted(books, sql, event=event)


def owners_that_moved(books: Books) -> set[str]:
    """Owners (host, process) whose stages moved a task."""
    with books.read() as session:
        sql = text("SELECT DISTINCT actor FROM status_history WHERE actor LIKE '%@%'")
        return {actor.partition("@")[2] for actor in session.connection().execute(sql).scalars()}


def stage_leases(books: Books) -> list[str]:
    """Leases of tasks that are held now."""
    with books.read() as session:
        rows = session.connection().execute(text("SELECT name FROM lock"))
        return [name for name in rows.scalars() if "/" in name]


def _counted(books: Books, sql: str, **values: str) -> Counter[int]:
    with books.read() as session:
        return Counter(session.connection().execute(text(sql), values).scalars())
