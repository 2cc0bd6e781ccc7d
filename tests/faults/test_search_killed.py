"""SIGKILL in the middle of a search: no point is evaluated twice, and what was saved is used.

The payloads keep a record of their own, outside the books.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.faults.record import set_short_leases
from tests.installation import Installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SPACE = {"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}}
N_POINTS, KILLS = 20, 3

QUICK = """
cat input.json >> {record}; echo >> {record}
sleep 0.1; echo 1 > output.json
"""
LONG = """
step=$(cat state 2>/dev/null || echo 0)
echo "from $step" >> {record}
while [ $step -lt 100 ]; do
  step=$((step + 1)); echo $step > state.new; mv state.new state
  test $step -ge 40 -a ! -f {go} && sleep 1000
  sleep 0.05
done
echo 1 > output.json
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    parts = Installation(tmp_path, f"sqlite:///{tmp_path}/culm.db", lease_seconds=4)
    parts.start_all(pilots=1, slots=2, batch=1)
    set_short_leases(parts)
    yield parts
    parts.stop()


def submit(parts: Installation, command: str, **search: Any) -> int:
    document = {"name": "user.root.search", "command": command.strip(), "memory_mb": 100,
                "disk_mb": 100, "search": {"space": SPACE} | search}  # fmt: skip
    answer = parts.api("POST", "/v1/tasks", json=document)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["task_id"])


def check_end(parts: Installation, task_id: int, n_points: int) -> None:
    def search() -> dict[str, Any]:
        found: dict[str, Any] = parts.api("GET", f"/v1/tasks/{task_id}/search").json()
        return found

    try:
        wait_until(lambda: bool(search()["final"]), "the search's end", 200)
    finally:
        print(parts.logs()[-6000:])
    assert (search()["status"], search()["n_evaluated"]) == ("done", n_points)
    with Books(parts.database_url) as books, books.read() as session:
        assert audit(session) == []


def test_killed_daemon_evaluates_nothing_twice(installation: Installation, tmp_path: Path) -> None:
    record = tmp_path / "record"
    task_id = submit(installation, QUICK.format(record=record), max_points=N_POINTS,
                     n_parallel_evaluation=2)  # fmt: skip

    def n_runs() -> int:
        return record.read_text().count("\n") if record.exists() else 0

    for place in range(1, KILLS + 1):
        due = place * N_POINTS // (KILLS + 2)
        wait_until(lambda due=due: n_runs() >= due, f"{due} evaluations", 200)
        installation.kill("daemon")
        installation.start("daemon")
    check_end(installation, task_id, N_POINTS)
    runs = Counter(record.read_text().splitlines())
    assert (len(runs), set(runs.values())) == (N_POINTS, {1})


def test_killed_pilot_s_point_goes_on_from_its_checkpoint(
    installation: Installation, tmp_path: Path
) -> None:
    record, go = tmp_path / "record", tmp_path / "go"
    task_id = submit(installation, LONG.format(record=record, go=go), max_points=1,
                     checkpoint_paths=["state"], checkpoint_minutes=0.01)  # fmt: skip
    kept = tmp_path / "data" / "checkpoints" / str(task_id)
    wait_until(lambda: kept.is_dir() and any(kept.iterdir()), "a checkpoint")
    go.touch()
    installation.kill("pilot0")
    installation.start("pilot0")
    check_end(installation, task_id, 1)
    starts = [int(line.split()[1]) for line in record.read_text().splitlines()]
    assert starts[0] == 0
    assert len(starts) == 2
    assert starts[1] > 0
