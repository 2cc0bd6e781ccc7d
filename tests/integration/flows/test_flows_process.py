"""`culm daemon` as processes: real stages, shared work, kill -9, SIGTERM, Prefect's records."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect_scene import PrefectServer, wait_until
from sqlalchemy import text

from culm.wire.task_spec import TaskSpec
from tasks.audit import audit
from tasks.stages.submit import submit
from tasks.store.books import Books
from tasks.store.seed import seed

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(data_dir: Path, books: Books, tmp_path: Path) -> Iterator[Start]:
    """Starts `culm daemon` over the test's books; in the end they are killed and audited."""
    seed(books, data_dir / "storage")
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, lease: float = 60, prefect: str = "http://127.0.0.1:9/api",
              **more: str) -> subprocess.Popen[str]:  # fmt: skip
        variables = {"CULM_DATA_DIR": str(data_dir), "CULM_PREFECT_API_URL": prefect, **more}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        log = (tmp_path / f"daemon{len(started)}.log").open("w")
        with log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "daemon_with_short_leases.py"), str(lease), *arguments],
                env={**environment, **variables}, stderr=log, stdout=subprocess.PIPE, text=True,
                cwd=tmp_path,
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    with books.read() as session:
        assert audit(session) == []


def submit_tasks(books: Books, count: int) -> list[int]:
    return [
        submit(
            books,
            TaskSpec(name=f"user.alice.hello{i}", command="true", n_jobs=2),
            "alice",
            f"key{i}",
        ).task_id
        for i in range(count)
    ]


def jobs_of(books: Books) -> Counter[int]:
    with books.read() as session:
        return Counter(session.connection().execute(text("SELECT task_id FROM job")).scalars())


def moves_of(books: Books, event: str) -> Counter[int]:
    sql = text("SELECT entity_id FROM status_history WHERE noun = 'task' AND event = :event")
    with books.read() as session:
        return Counter(session.connection().execute(sql, {"event": event}).scalars())


def daemons_that_moved(books: Books) -> set[str]:
    sql = text("SELECT DISTINCT actor FROM status_history WHERE actor LIKE '%@%'")
    with books.read() as session:
        return {actor.partition("@")[2] for actor in session.connection().execute(sql).scalars()}


def stage_leases(books: Books) -> list[str]:
    with books.read() as session:
        rows = session.connection().execute(text("SELECT name FROM lock"))
        return [name for name in rows.scalars() if "/" in name]


def log_of(tmp_path: Path, number: int = 0) -> str:
    return (tmp_path / f"daemon{number}.log").read_text()


def test_once_takes_tasks_to_their_jobs_and_ends(
    books: Books, start: Start, tmp_path: Path
) -> None:
    ids = submit_tasks(books, 3)

    daemon = start("--once", "--without-prefect")

    assert daemon.wait(60) == 0, log_of(tmp_path)
    assert jobs_of(books) == dict.fromkeys(ids, 2)
    assert daemon.stdout is not None
    assert daemon.stdout.read() == ""


def test_sigterm_ends_in_good_order(books: Books, start: Start, tmp_path: Path) -> None:
    daemon = start("--without-prefect")
    ids = submit_tasks(books, 4)
    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "all tasks generated")

    daemon.send_signal(signal.SIGTERM)

    assert daemon.wait(60) == 0
    assert log_of(tmp_path).rstrip().endswith("off duty")
    assert stage_leases(books) == []


def test_killed_daemon_loses_nothing_and_the_other_takes_over(
    books: Books, start: Start, tmp_path: Path
) -> None:
    doomed, heir = (start("--without-prefect", lease=2) for _ in range(2))
    for number in range(2):
        wait_until(lambda number=number: "on duty" in log_of(tmp_path, number), 60)
    ids = submit_tasks(books, 60)
    wait_until(lambda: len(jobs_of(books)) >= 10, 60, "first tasks generated")

    doomed.send_signal(signal.SIGKILL)

    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 40, "all tasks generated")
    # Each of them did part of the work, and no task was moved twice by it.
    assert moves_of(books, "refined") == dict.fromkeys(ids, 1)
    assert len(daemons_that_moved(books)) == 2
    heir.send_signal(signal.SIGTERM)
    assert heir.wait(30) == 0


def test_daemon_works_without_prefects_server_and_says_so(
    books: Books, start: Start, tmp_path: Path
) -> None:
    ids = submit_tasks(books, 2)

    daemon = start()

    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "all tasks generated")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    assert log_of(tmp_path).count("does not answer: work goes on unrecorded") == 1


def test_recorded_daemon_ends_its_flow_runs_at_sigterm(
    books: Books, start: Start, tmp_path: Path, prefect: PrefectServer
) -> None:
    daemon = start("--stages", "refine,feed", "--wait-for-prefect", "60", prefect=prefect.api)
    [task_id] = submit_tasks(books, 1)
    wait_until(lambda: moves_of(books, "contents_fed") or "feed 1" in log_of(tmp_path), 60)

    daemon.send_signal(signal.SIGTERM)

    assert daemon.wait(60) == 0, log_of(tmp_path)
    runs = wait_until(lambda: at_least(2, prefect.task_runs(f"{task_id} user.alice.hello0")))
    assert {run["name"].split()[0] for run in runs} == {"refine", "feed"}
    shifts = prefect.find(
        "flow_runs", flow_runs={"id": {"any_": [run["flow_run_id"] for run in runs]}}
    )
    assert {shift["state_type"] for shift in shifts} == {"COMPLETED"}


def at_least(count: int, runs: list[dict[str, str]]) -> list[dict[str, str]]:
    return runs if len(runs) >= count else []


def test_daemon_names_a_database_that_is_not_there(start: Start, tmp_path: Path) -> None:
    daemon = start("--once", CULM_DATABASE_URL=f"sqlite:///{tmp_path}/other.db")

    assert daemon.wait(60) != 0
    assert "culm db init" in log_of(tmp_path) or "schema none" in log_of(tmp_path)
