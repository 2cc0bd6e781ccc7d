"""Ours under measurement: server, daemon and pilots as processes, in a place of their own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from bench.fake_pilots import Desk, jobs_per_second
from bench.processes import Processes, answers, free_port, wait_until
from culm.client import Client
from culm.core.settings import Settings, load_settings
from culm.wire.task_spec import InputStream, TaskSpec
from culm.wire.views import NewFile

N_SUBMITS = 200
N_FIRST_JOBS = 15
FILES_A_CALL = 5000
PATIENCE_SECONDS = 600.0
QUEUE = "LOCAL"
OPEN = ("registered", "defined", "assigning", "ready", "pending", "running", "prepared", "aborting")


@dataclass(slots=True)
class Ours:
    """One installation. Parts are started and ended by the measurements that need them."""

    folder: Path
    settings: Settings
    client: Client
    processes: Processes
    engine: Engine
    user: str = ""
    names: Iterator[str] = field(default_factory=lambda: iter(lambda: uuid.uuid4().hex[:8], ""))

    @contextmanager
    def part(self, name: str, *arguments: str) -> Iterator[None]:
        """Another process of ours, for as long as the context lasts."""
        with Processes(self.folder, self.processes.environment) as own:
            own.start(name, [sys.executable, "-m", "culm", name, *arguments])
            yield

    def kill_all(self) -> None:
        """End every task that has not ended, and wait for the daemon to have settled them."""
        for task in self.client.tasks(OPEN):
            self.client.kill(task.task_id)
        wait_until(lambda: next(self.client.tasks(OPEN, limit=1), None) is None, "quiet", 600)

    def culm(self, *words: str, folder: Path | None = None, allowed: Sequence[int] = (0,)) -> str:
        """What a command prints, run to its end as a user would.

        Raises:
            RuntimeError: it failed; with its last words.
        """
        done = subprocess.run(
            [sys.executable, "-m", "culm", *words], env=self.processes.environment,
            cwd=folder or self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in allowed:
            raise RuntimeError(f"culm {' '.join(words)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def task_name(self) -> str:
        """A name that no task has yet."""
        return f"user.{self.user}.bench.{next(self.names)}"

    def count(self, task_id: int, status: str) -> int:
        """How many jobs of a task are in a status."""
        sql = text("SELECT count(*) FROM job WHERE task_id = :task AND status = :status")
        with self.engine.connect() as connection:
            return int(connection.execute(sql, {"task": task_id, "status": status}).scalar() or 0)


@contextmanager
def installation(folder: Path, database_url: str | None) -> Iterator[Ours]:
    """A fresh installation with its server running, in this folder."""
    environment = _environment(folder, database_url)
    settings = load_settings(environment=environment, directory=folder)
    with Processes(folder, environment) as processes:
        initial = processes.start("db", [sys.executable, "-m", "culm", "db", "init"])
        if initial.wait(120):
            raise RuntimeError(f"culm db init: {processes.tail('db')}")
        processes.start("server", [sys.executable, "-m", "culm", "server"])
        wait_until(lambda: answers(f"{settings.server_url}/v1/ready"), "server", 60)
        with Client(settings=settings) as client:
            engine = create_engine(settings.database_url)
            yield Ours(folder, settings, client, processes, engine, client.whoami().user)
            engine.dispose()


def _environment(folder: Path, database_url: str | None) -> dict[str, str]:
    ours = {
        "CULM_DATA_DIR": str(folder / "data"),
        "CULM_SERVER_PORT": str(free_port()),
        "CULM_PREFECT_PORT": str(free_port()),
        "CULM_LOG_LEVEL": "WARNING",
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    if database_url:
        ours["CULM_DATABASE_URL"] = database_url
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CULM_")}
    return kept | ours


def submits_per_second(ours: Ours) -> float:
    """Tasks accepted a second by one client, nothing else going on."""
    specs = [TaskSpec(name=ours.task_name(), command="true") for _ in range(N_SUBMITS)]
    started = time.perf_counter()
    ids = [ours.client.submit(spec).task_id for spec in specs]
    return len(ids) / (time.perf_counter() - started)


def generated_per_second(ours: Ours, n_jobs: int) -> tuple[int, float]:
    """A task of one job a file, all of them waiting for pilots; jobs made a second.

    Needs a daemon. The time is from `ready` (all files are known) until all jobs are activated.
    """
    dataset = f"user.{ours.user}.files.{next(ours.names)}"
    _register(ours, dataset, n_jobs)
    stream = InputStream(stream="IN", datasets=(dataset,))
    spec = TaskSpec(name=ours.task_name(), command="true", inputs=(stream,), n_files_per_job=1,
                    skip_scouts=True)  # fmt: skip
    task_id = ours.client.submit(spec).task_id
    wait_until(
        lambda: ours.count(task_id, "activated") >= n_jobs, "jobs activated", PATIENCE_SECONDS
    )
    return task_id, n_jobs / _seconds_from_ready(ours, task_id)


@contextmanager
def declared_slots(ours: Ours, n_slots: int) -> Iterator[None]:
    """The queue declares so many slots: jobs are made only for places where they should start."""
    token_file = ours.settings.data_dir / "tokens" / "admin.token"
    with Client(settings=ours.settings, token_file=token_file) as admin:
        admin.set_queue(QUEUE, settings={"n_slots": n_slots})
        yield
        admin.set_queue(QUEUE, settings={"n_slots": None})


def _register(ours: Ours, dataset: str, n_files: int) -> None:
    for first in range(0, n_files, FILES_A_CALL):
        files = [
            NewFile(lfn=f"f{i:07}", url=f"https://bench.invalid/f{i:07}", size_bytes=1,
                    adler32="00000001")
            for i in range(first, min(first + FILES_A_CALL, n_files))
        ]  # fmt: skip
        ours.client.add_dataset(dataset, files)


def _seconds_from_ready(ours: Ours, task_id: int) -> float:
    """By the books' own clock; the present stands for the last commit, some milliseconds ago."""
    entries = ours.client.history(task_id).entries
    ready = next(entry.at for entry in entries if entry.to_status == "ready")
    return max(time.time() - _epoch(ready), 1e-3)


def _epoch(timestamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(timestamp).timestamp()


def dispatched_per_second(ours: Ours, n_jobs: int, batch: int) -> float:
    """Jobs fetched and reported a second by pilots that run nothing; jobs must be waiting."""
    token = (ours.settings.data_dir / "tokens" / "pilot.token").read_text().strip()
    desk = Desk(ours.settings.server_port, token, QUEUE)
    return jobs_per_second(desk, n_jobs, batch)


def jobs_to_the_end_per_second(ours: Ours, n_jobs: int) -> float:
    """From submission until the task is done: `true` as payload. Needs a daemon and a pilot."""
    started = time.perf_counter()
    spec = TaskSpec(name=ours.task_name(), command="true", n_jobs=n_jobs, memory_mb=100, disk_mb=1,
                    skip_scouts=True)  # fmt: skip
    accepted = ours.client.submit(spec)
    (task,) = ours.client.wait([accepted.task_id], timeout=max(600.0, n_jobs / 10))
    seconds = time.perf_counter() - started
    if task.status != "done":
        raise RuntimeError(f"task {task.task_id} ended {task.status}: {task.reason}")
    return n_jobs / seconds


def first_job_seconds(ours: Ours) -> float:
    """Median of submission → the payload of its only job runs. Needs a daemon and a pilot."""
    return statistics.median(_first_job(ours, number) for number in range(N_FIRST_JOBS))


def _first_job(ours: Ours, number: int) -> float:
    stamp = ours.folder / f"stamp.{number}"
    # The payload itself says when it ran; the books are not asked.
    spec = TaskSpec(
        name=ours.task_name(), command=f"date +%s.%N > {stamp}", memory_mb=100, disk_mb=1
    )
    submitted = time.time()
    task_id = ours.client.submit(spec).task_id
    wait_until(lambda: stamp.exists() and bool(stamp.read_text()), "first job", 60)
    seconds = float(stamp.read_text()) - submitted
    ours.client.wait([task_id], timeout=60)
    return seconds


def pilot_arguments(folder: Path, batch: int, slots: int) -> Sequence[str]:
    """Options of a pilot that takes what it can."""
    return (
        "--queue", QUEUE, "--slots", str(slots), "--batch", str(batch), "--cores", str(slots),
        "--memory", "1000000", "--disk", "1000000", "--work-dir", str(folder / "work"),
        "--log-level", "WARNING",
    )  # fmt: skip
