"""A task whose payloads keep a record of their own, outside the books.

Each run draws a token, writes it to its output and appends it to the record. So "ran twice" and
"credited once" are seen independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.installation import Installation

PAYLOAD = """
token=$(cat /proc/sys/kernel/random/uuid) || exit 1
sleep 0.1
echo "$token" > out.txt
echo "%RNDM:0 $token" >> {record}
"""


@dataclass(frozen=True)
class RecordedTask:
    """A submitted task of so many jobs, and the file that its payloads write to."""

    parts: Installation
    name: str
    task_id: int
    n_jobs: int
    record: Path

    def view(self) -> dict[str, object]:
        """The task as the server shows it."""
        answer = self.parts.api("GET", f"/v1/tasks/{self.task_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def n_finished(self) -> int:
        """How many of its inputs are finished."""
        return int(str(self.view()["n_files_finished"]))

    def n_runs(self) -> int:
        """How many payloads came to their end, by their own record."""
        return self.record.read_text().count("\n") if self.record.exists() else 0

    def check_credits(self) -> None:
        """Each input has one credited output, and it is one that its own payload wrote."""
        runs: dict[str, str] = {}
        for line in self.record.read_text().splitlines():
            sequence, token = line.split()
            runs[token] = sequence
        folder = self.parts.folder / "data" / "storage" / f"{self.name}_out.txt"
        credited = _lfns(self.parts, folder.name)
        assert len(credited) == self.n_jobs
        tokens = [(folder / lfn).read_text().strip() for lfn in credited]
        assert sorted(int(runs[token]) for token in tokens) == list(range(self.n_jobs))


def submit_recorded(parts: Installation, name: str, n_jobs: int) -> RecordedTask:
    """Submit a task of so many jobs that take a tenth of a second each."""
    record = parts.folder / f"{name}.record"
    document = {
        "name": name, "command": PAYLOAD.format(record=record).strip(), "n_jobs": n_jobs,
        "outputs": ["out.txt"], "max_attempts": 20, "memory_mb": 100, "disk_mb": 100,
    }  # fmt: skip
    answer = parts.api("POST", "/v1/tasks", json=document)
    assert answer.status_code == 201, answer.text
    return RecordedTask(parts, name, int(answer.json()["task_id"]), n_jobs, record)


def set_short_leases(parts: Installation) -> None:
    """A beat each half second; a job is lost after four."""
    settings = {"heartbeat_seconds": 0.5, "lease_seconds": 4.0}
    answer = parts.api("PUT", "/v1/queues/LOCAL", json={"site": "LOCAL", "settings": settings})
    assert answer.status_code < 300, answer.text


def _lfns(parts: Installation, dataset: str) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        query = f"?limit=1000&after={after}"
        page = parts.api("GET", f"/v1/datasets/{dataset}/files{query}").json()
        found += [file["lfn"] for file in page["files"]]
        after = page.get("next") or ""
        if not after:
            return found
