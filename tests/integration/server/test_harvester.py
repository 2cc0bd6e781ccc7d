"""A harvester process and a real server: workers start where they are wanted, over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tasks.queue_changes import set_queue
from tasks.stages.pilot_streaming import pilot_streaming
from tests.builders import a_task, run_stages
from tests.integration.tasks.scene import rows, status
from tests.live_server import LiveServer, live_server
from tests.server_scene import a_token

# The harvester speaks HTTP alone: what it does to the books is tested on both databases once.
ONE_DATABASE = pytest.mark.parametrize("books_url", ["sqlite"], indirect=True)


@pytest.fixture
def server(books_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(books_url, tmp_path) as running:
        yield running


@contextmanager
def a_harvester(
    server: LiveServer, folder: Path, *options: str, queues: tuple[str, ...] = ("*",)
) -> Iterator[subprocess.Popen[bytes]]:
    token = folder / "provisioner.token"
    token.write_text(a_token(server.settings, "provisioner", "pilot", queues=queues))
    words = [sys.executable, "-m", "culm", "harvester", "--server", server.settings.server_url,
             "--token-file", str(token), "--work-dir", str(folder / "workers"),
             "--period", "0.2", "--idle-exit", "1", *options]  # fmt: skip
    with (folder / "harvester.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=dict(os.environ))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=120) == 128 + signal.SIGTERM, log_of(folder)


def log_of(folder: Path) -> str:
    return (folder / "harvester.log").read_text()


def until(condition: Callable[[], bool], folder: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come to be:\n{log_of(folder)}"
        time.sleep(0.1)


def test_workers_of_the_right_size_run_what_waits_and_then_end(
    server: LiveServer, tmp_path: Path
) -> None:
    books, folder = server.books, tmp_path / "node"
    folder.mkdir()
    with books.write() as session:
        set_queue(session, "BIG", "BIG", {})
    small = a_task(books, n_jobs=2, site="LOCAL", memory_mb=500)
    big = a_task(books, core_count=2, memory_mb=1500, site="BIG")
    run_stages(books)
    with a_harvester(server, folder, "--cores", "4", "--memory", "4000"):
        until(lambda: "harvester of" in log_of(folder), folder)
        assert rows(books, "SELECT * FROM pilot") == []  # nothing is wanted yet
        assert pilot_streaming(books) == "3 workers wanted, at 2 queues"

        def done() -> bool:
            run_stages(books)
            return {status(books, small), status(books, big)} == {"done"}

        until(done, folder)
        until(lambda: not list((folder / "workers").glob("*.log")), folder)  # they idled
        sizes = "SELECT q.name, p.core_count, p.memory_mb FROM pilot p JOIN queue q " \
            "ON q.id = p.queue_id ORDER BY 1"  # fmt: skip
        assert rows(books, sizes) == [("BIG", 2, 1500), ("LOCAL", 1, 500), ("LOCAL", 1, 500)]
        with server.client() as alice:
            assert alice.get("/v1/workers").json() == {"workers": []}


@ONE_DATABASE
def test_worker_is_kept_where_nothing_is_wanted(server: LiveServer, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    with a_harvester(server, folder, "--queue", "LOCAL", "--keep", "1", "--cores", "2"):
        active = "SELECT core_count FROM pilot WHERE status = 'active'"
        until(lambda: rows(server.books, active) == [(1,)], folder)
        task_id = a_task(server.books)

        def done() -> bool:
            run_stages(server.books)
            return status(server.books, task_id) == "done"

        until(done, folder)
    assert rows(server.books, active) == []


@ONE_DATABASE
def test_workers_end_with_a_harvester_that_is_killed(server: LiveServer, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    active = "SELECT count(*) FROM pilot WHERE status = 'active'"
    with a_harvester(server, folder, "--queue", "LOCAL", "--keep", "1") as process:
        until(lambda: rows(server.books, active) == [(1,)], folder)
        process.kill()
        process.wait()
        until(lambda: rows(server.books, active) == [(0,)], folder)


@ONE_DATABASE
def test_harvester_that_may_not_is_told_so(server: LiveServer, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "culm", "harvester", "--server", server.settings.server_url]
    token = tmp_path / "pilot.token"
    with server.client("provisioner", "pilot") as client:
        spec = {"queue": "LOCAL", "host": "node1", "process_id": 1, "version": "test"}
        token.write_text(client.post("/v1/pilots", json=spec).json()["token"])
    run = partial(subprocess.run, capture_output=True, timeout=120, check=False)
    refused = run([*words, "--token-file", str(token)])
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[-1].startswith(b"harvester: ")
    usage = run([*words, "--keep", "1"])
    assert usage.returncode == 2
    assert b"name the queues with --queue" in usage.stderr
