"""SIGKILL of server, daemon, pilots and payloads in the middle of a 1,000-job task.

The payloads keep a record of their own, outside the books: each run draws a token, writes it
to its output and appends it to the record. So "ran twice" and "credited once" are seen
independently.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.installation import Installation, wait_until

N_JOBS = 1000
KILLS = 3

PAYLOAD = """
token=$(cat /proc/sys/kernel/random/uuid)
sleep 0.1
echo "$token" > out.txt
echo "%RNDM:0 $token" >> {record}
"""


@pytest.fixture
def installation(tmp_path: Path, books_url: str) -> Iterator[Installation]:
    parts = Installation(tmp_path, books_url)
    yield parts
    parts.stop()


def _submit(parts: Installation, record: Path) -> int:
    document = {
        "name": "user.root.kill9", "command": PAYLOAD.format(record=record).strip(),
        "n_jobs": N_JOBS, "outputs": ["out.txt"], "max_attempts": 20, "memory_mb": 100,
        "disk_mb": 100,
    }  # fmt: skip
    answer = parts.api("POST", "/v1/tasks", json=document)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["task_id"])


def _n_runs(record: Path) -> int:
    return record.read_text().count("\n") if record.exists() else 0


def _finished(parts: Installation, task_id: int) -> int:
    answer = parts.api("GET", f"/v1/tasks/{task_id}")
    return int(answer.json()["n_files_finished"])


def _kill_a_payload(parts: Installation, chance: random.Random) -> bool:
    pilots = [p.pid for name, p in parts.processes.items() if name.startswith("pilot")]
    shells = []
    for pid in pilots:
        try:
            shells += [c for c in psutil.Process(pid).children(recursive=True)
                       if c.name() in ("sh", "sleep")]  # fmt: skip
        except psutil.NoSuchProcess:
            continue
    if not shells:
        return False
    try:
        chance.choice(shells).kill()
    except psutil.NoSuchProcess:
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thousand_jobs_survive_kill_nine_of_every_part(
    installation: Installation, tmp_path: Path, books_url: str
) -> None:
    chance = random.Random(9)
    record = tmp_path / "record.txt"
    installation.start_all(pilots=2, slots=2, batch=5)
    answer = installation.api("PUT", "/v1/queues/LOCAL", json={
        "site": "LOCAL", "settings": {"heartbeat_seconds": 0.5, "lease_seconds": 4.0},
    })  # fmt: skip
    assert answer.status_code < 300, answer.text
    task_id = _submit(installation, record)
    rounds = ["server", "daemon", "pilot0", "payload"] * KILLS
    chance.shuffle(rounds)
    killed: Counter[str] = Counter()
    for place, victim in enumerate(rounds):
        # By progress, not by time: the kills are spread over the task on any machine. And by the
        # payloads' own record: while the daemon is away, the books do not see how far they are.
        due = (place + 1) * N_JOBS // (len(rounds) + 4)
        wait_until(lambda due=due: _n_runs(record) >= due, f"{due} runs", 200)
        assert _finished(installation, task_id) < N_JOBS, f"the task ended before kill {place}"
        if victim == "payload":
            wait_until(lambda: _kill_a_payload(installation, chance), "a payload to kill")
        else:
            installation.kill(victim)
            time.sleep(chance.uniform(0, 1.0))  # down for a while: the fault itself
            installation.start(victim)
            if victim == "server":
                wait_until(installation.answers, "server after its kill")
        killed[victim] += 1
    assert min(killed.values()) >= KILLS
    try:
        wait_until(
            lambda: installation.api("GET", f"/v1/tasks/{task_id}").json()["final"], "end", 200
        )
    finally:
        print(installation.logs()[-6000:])
    task = installation.api("GET", f"/v1/tasks/{task_id}").json()
    assert (task["status"], task["n_files_finished"]) == ("done", N_JOBS)
    _check_credits(installation, record, task)
    with Books(books_url) as books, books.read() as session:
        assert audit(session) == []


def _check_credits(parts: Installation, record: Path, task: dict[str, object]) -> None:
    """Each input has one credited output, and it is one that its own payload wrote."""
    runs: dict[str, str] = {}
    for line in record.read_text().splitlines():
        sequence, token = line.split()
        runs[token] = sequence
    dataset = "user.root.kill9_out.txt"
    folder = parts.folder / "data" / "storage" / dataset
    credited = []
    after = ""
    while True:
        query = f"?limit=1000&after={after}"
        page = parts.api("GET", f"/v1/datasets/{dataset}/files{query}").json()
        credited += [file["lfn"] for file in page["files"]]
        after = page.get("next") or ""
        if not after:
            break
    assert len(credited) == N_JOBS
    tokens = [(folder / lfn).read_text().strip() for lfn in credited]
    assert sorted(int(runs[token]) for token in tokens) == list(range(N_JOBS))
