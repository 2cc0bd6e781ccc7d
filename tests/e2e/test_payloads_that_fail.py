"""Payloads that fail, hang, write nothing, eat memory, are killed: what `culm job show` says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.installation import Installation, wait_until

pytestmark = pytest.mark.slow

# Without end: the next attempt gets more memory, and must not have enough either.
EATS = """python3 -c '
import time
x = []
while True:
    x.append(bytearray(50_000_000))
    time.sleep(0.05)
'"""
ENDS = {
    "fails": ({"command": "echo it broke >&2; exit 3"}, 3, "1305", "exit status 3: it broke"),
    "writes nothing": (
        {"command": "true", "outputs": ["out.txt"]}, 0, "1165", "did not write an output file: out",
    ),
    "eats memory": (
        {"command": EATS, "memory_mb": 100}, -9, "1235", "memory of all its processes: ",
    ),
    "fills its directory": (
        {"command": "head -c 30000000 /dev/zero > big; sleep 60", "disk_mb": 10}, -15, "1104",
        "work directory: 30 MB used, 10 MB allowed",
    ),
    "is killed": ({"command": "kill -9 $$"}, -9, "1200", "ended by a signal: SIGKILL"),
}  # fmt: skip
HANGS = {"command": "sleep 60", "walltime_seconds": 1}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("payloads")
    url = f"sqlite:///{folder}/culm.db"
    parts = Installation(folder, url)
    parts.start_all(pilots=1, slots=6, batch=6)
    # A pilot hears at its next beat that a job is killed.
    beats = {"site": "LOCAL", "settings": {"heartbeat_seconds": 1}}
    assert parts.api("PUT", "/v1/queues/LOCAL", json=beats).status_code < 300
    yield parts
    parts.stop()
    with Books(url) as books, books.read() as session:
        assert audit(session) == []


@pytest.fixture(scope="module")
def ended(installation: Installation) -> dict[str, Any]:
    """A task of each kind, all at once, at its end; each input may be tried twice."""
    ids = [str(_submit(installation, kind, changes)) for kind, (changes, *_) in ENDS.items()]
    waited = installation.culm("task", "wait", *ids, "--json", check=False)
    assert waited.returncode == 1, waited.stderr
    return dict(zip(ENDS, json.loads(waited.stdout), strict=True))


def _submit(parts: Installation, kind: str, changes: dict[str, Any]) -> int:
    name = f"user.root.{kind.replace(' ', '_')}"
    spec = {"name": name, "max_attempts": 2, "memory_mb": 200, "disk_mb": 1000} | changes
    answer = parts.api("POST", "/v1/tasks", json=spec)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["task_id"])


def _shown(parts: Installation, job_id: int) -> dict[str, str]:
    """What `culm job show` prints of a job, by name."""
    lines = parts.culm("job", "show", str(job_id)).stdout.splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


@pytest.mark.parametrize("kind", ENDS)
def test_payload_that_goes_wrong_is_shown_with_its_reason_and_tried_again(
    installation: Installation, ended: dict[str, Any], kind: str
) -> None:
    _, exit_code, pilot_error, reason = ENDS[kind]
    task = ended[kind]
    assert (task["status"], task["n_files_failed"]) == ("failed", 1)
    assert reason in task["reason"]
    jobs = installation.api("GET", f"/v1/tasks/{task['task_id']}/jobs").json()["jobs"]
    assert [job["attempt_nr"] for job in jobs] == [1, 2]
    last = _shown(installation, jobs[1]["job_id"])
    assert (last["status"], last["exit code"]) == ("failed", str(exit_code))
    assert last["pilot error"].startswith(pilot_error)
    assert reason in last["error"]
    assert last["retry of"] == str(jobs[0]["job_id"])


def test_payload_that_hangs_spends_none_of_the_users_attempts(installation: Installation) -> None:
    task = _submit(installation, "hangs", HANGS)
    path = f"/v1/tasks/{task}/jobs"
    wait_until(lambda: len(installation.api("GET", path).json()["jobs"]) > 2, "a third attempt")
    job = installation.api("GET", path).json()["jobs"][1]
    shown = _shown(installation, job["job_id"])
    assert shown["pilot error"].startswith("1213")
    assert re.search(r"wall time: 1 s used, 1 s allowed", shown["error"])
    assert installation.culm("task", "kill", "--yes", str(task)).returncode == 0
    waited = installation.culm("task", "wait", str(task), check=False)
    assert (waited.returncode, waited.stdout.split("\t")[1]) == (1, "aborted")


def test_job_that_a_person_kills_says_who(installation: Installation) -> None:
    task = _submit(installation, "sleeps", {"command": "sleep 60", "max_attempts": 1})
    path = f"/v1/tasks/{task}/jobs?status=running,sent"
    wait_until(lambda: installation.api("GET", path).json()["jobs"], "a running job")
    [job] = installation.api("GET", path).json()["jobs"]
    killed = installation.culm("job", "kill", "--yes", "--reason", "enough", str(job["job_id"]))
    assert killed.returncode == 0
    waited = installation.culm("task", "wait", str(task), check=False)
    assert waited.returncode == 1
    shown = _shown(installation, job["job_id"])
    assert shown["status"] == "cancelled"
    assert "enough" in shown["error"]
