"""SIGKILL of server, daemon, pilots and payloads in the middle of a 1,000-job task."""

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
from tests.faults.record import set_short_leases, submit_recorded
from tests.installation import Installation, wait_until

EXTENT = {"sqlite": (1000, 3), "postgresql": (400, 2)}
"""Jobs, and kills of each part: on SQLite what the promise says, on PostgreSQL as many jobs as
the kills need to be spread over."""


@pytest.fixture
def installation(tmp_path: Path, books_url: str) -> Iterator[Installation]:
    parts = Installation(tmp_path, books_url, lease_seconds=4)
    yield parts
    parts.stop()


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
@pytest.mark.timeout(1200)
def test_thousand_jobs_survive_kill_nine_of_every_part(
    installation: Installation, books_url: str
) -> None:
    n_jobs, n_kills = EXTENT[books_url.partition(":")[0].partition("+")[0]]
    chance = random.Random(9)
    installation.start_all(pilots=2, slots=2, batch=5)
    set_short_leases(installation)
    task = submit_recorded(installation, "user.root.kill9", n_jobs)
    rounds = ["server", "daemon", "pilot0", "payload"] * n_kills
    chance.shuffle(rounds)
    killed: Counter[str] = Counter()
    for place, victim in enumerate(rounds):
        # By progress, not by time: the kills are spread over the task on any machine. And by the
        # payloads' own record: while the daemon is away, the books do not see how far they are.
        due = (place + 1) * n_jobs // (len(rounds) + 4)
        wait_until(lambda due=due: task.n_runs() >= due, f"{due} runs", 300)
        assert task.n_finished() < n_jobs, f"the task ended before kill {place}"
        if victim == "payload":
            wait_until(lambda: _kill_a_payload(installation, chance), "a payload to kill")
        else:
            installation.kill(victim)
            time.sleep(chance.uniform(0, 1.0))  # down for a while: the fault itself
            installation.start(victim)
            if victim == "server":
                wait_until(installation.answers, "server after its kill")
        killed[victim] += 1
    assert min(killed.values()) >= n_kills
    try:
        wait_until(lambda: bool(task.view()["final"]), "end", 300)
    finally:
        print(installation.logs()[-6000:])
    ended = task.view()
    assert (ended["status"], ended["n_files_finished"]) == ("done", n_jobs)
    task.check_credits()
    with Books(books_url) as books, books.read() as session:
        assert audit(session) == []
