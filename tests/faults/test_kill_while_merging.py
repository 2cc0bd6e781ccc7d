"""SIGKILL of daemon, server and pilots while outputs are merged: nothing lost, nothing double."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.faults.record import set_short_leases
from tests.installation import Installation, wait_until

N_JOBS = 60
PER_MERGE = 4
LINE = 'token=$(cat /proc/sys/kernel/random/uuid) || exit 1; echo "%RNDM:0 $token" > out.txt'


@pytest.fixture
def installation(tmp_path: Path, books_url: str) -> Iterator[Installation]:
    parts = Installation(tmp_path, books_url, lease_seconds=4)
    yield parts
    parts.stop()


def submit(parts: Installation) -> int:
    document = {
        "name": "user.root.merging", "command": LINE, "n_jobs": N_JOBS, "outputs": ["out.txt"],
        "max_attempts": 20, "memory_mb": 100, "disk_mb": 100, "merge_output": True,
        "n_files_per_merge_job": PER_MERGE, "skip_scouts": True,
        "merge_script": "sleep 0.1; cat $(echo %IN | tr , ' ') > %OUT",
    }  # fmt: skip
    answer = parts.api("POST", "/v1/tasks", json=document)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["task_id"])


def task_of(parts: Installation, task_id: int) -> dict[str, Any]:
    answer = parts.api("GET", f"/v1/tasks/{task_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def merges_begun(parts: Installation) -> int:
    """Merge jobs that came to their storage, by the files there: the books may be asleep."""
    folder = parts.folder / "data" / "storage" / "user.root.merging_out.txt"
    return len(list(folder.glob("user.*"))) if folder.is_dir() else 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("books_url", ["sqlite"], indirect=True)
def test_merging_survives_kill_nine(installation: Installation, books_url: str) -> None:
    installation.start_all(pilots=2, slots=2, batch=4)
    set_short_leases(installation)
    task_id = submit(installation)
    victims = ["daemon", "pilot0", "server", "daemon"]
    for place, victim in enumerate(victims):
        due = place * 3 + 1
        wait_until(lambda due=due: merges_begun(installation) >= due, f"{due} merges", 200)
        installation.kill(victim)
        installation.start(victim)
        if victim == "server":
            wait_until(installation.answers, "server after its kill")
    try:
        wait_until(lambda: bool(task_of(installation, task_id)["final"]), "end", 200)
    finally:
        print(installation.logs()[-6000:])
    task = task_of(installation, task_id)
    assert (task["status"], task["n_files_finished"]) == ("done", N_JOBS)
    _check_merged(installation)
    with Books(books_url) as books, books.read() as session:
        assert audit(session) == []


def _check_merged(parts: Installation) -> None:
    """The merged files of the catalogue hold each job's line, once."""
    name = "user.root.merging_out.txt"
    files = parts.api("GET", f"/v1/datasets/{name}/files?limit=1000").json()["files"]
    folder = parts.folder / "data" / "storage" / name
    lines = [line for f in files for line in (folder / f["lfn"]).read_text().splitlines()]
    assert sorted(int(line.split()[0]) for line in lines) == list(range(N_JOBS))
