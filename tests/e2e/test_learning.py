"""Real runs: scouts change the size of jobs, and memory retries save a task.

Real processes: server, daemon and pilots; what is measured is what the payloads did.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, wait_until


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("learning")
    parts = Installation(folder, f"sqlite:///{folder}/culm.db")
    # Payloads that mostly sleep: many slots cost nothing.
    parts.start_all(pilots=1, slots=12, batch=12)
    yield parts
    parts.stop()


def submit(parts: Installation, **spec: Any) -> int:
    answer = parts.api("POST", "/v1/tasks", json=spec)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["task_id"])


def end_of(parts: Installation, task_id: int) -> dict[str, Any]:
    url = f"/v1/tasks/{task_id}"
    try:
        wait_until(lambda: parts.api("GET", url).json()["final"], "the task's end", 250)
    finally:
        print(parts.logs()[-6000:])
    task: dict[str, Any] = parts.api("GET", url).json()
    return task


def jobs_of(parts: Installation, task_id: int) -> list[dict[str, Any]]:
    jobs = parts.api("GET", f"/v1/tasks/{task_id}/jobs?limit=1000").json()["jobs"]
    return [parts.api("GET", f"/v1/jobs/{job['job_id']}").json() for job in jobs]


def files_of(job: dict[str, Any]) -> int:
    return sum(file["kind"] == "input" for file in job["files"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_scouts_change_the_size_of_the_jobs_that_follow(
    installation: Installation, tmp_path: Path
) -> None:
    files = []
    for number in range(60):
        path = tmp_path / f"f{number:02d}.txt"
        path.write_text("a line\n")
        files.append({"lfn": path.name, "url": path.as_uri(), "size_bytes": 7,
                      "adler32": "094c0234", "n_events": 20})  # fmt: skip
    made = installation.api(
        "POST", "/v1/datasets", json={"name": "user.root.events", "files": files}
    )
    assert made.status_code == 201, made.text
    # 1.5 s a file: scouts learn 0.075 s x 10 HS06 x 0.9 x 1.5 = 1.01 HS06 s an event and a bit,
    # so that some six files fit into 15 s. The first look at memory is after a second.
    task_id = submit(
        installation, name="user.root.learn", walltime_seconds=15, memory_mb=1000, disk_mb=1000,
        inputs=[{"datasets": ["user.root.events"]}], outputs=["out.txt"],
        command='for f in $(echo "%IN" | tr , " "); do sleep 1.5; cat $f; done > out.txt',
    )  # fmt: skip
    task = end_of(installation, task_id)
    assert (task["status"], task["n_files_finished"]) == ("done", 60)
    sizes = [files_of(job) for job in jobs_of(installation, task_id)]
    assert sizes[:10] == [1] * 10
    assert sum(sizes) == 60
    assert max(sizes[10:]) > 3
    assert len(sizes) < 30
    found = installation.api("GET", f"/v1/tasks/{task_id}/resources").json()
    by_name = {one["name"]: one for one in found["resources"]}
    assert found["scouting"] == "scouted"
    assert 0.6 < by_name["CPU time an event"]["next"] < 3
    assert by_name["memory"]["next"] == 250
    history = installation.api("GET", f"/v1/tasks/{task_id}/history").json()["entries"]
    way = [move["to_status"] for move in history]
    assert way[way.index("scouting"):] == [
        "scouting", "scouted", "running", "prepared", "done"]  # fmt: skip


EATER = (
    'python3 -c "import time; x = bytearray(170_000_000); time.sleep(2.5); print(len(x))" > out.txt'
)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_retries_save_a_task(installation: Installation) -> None:
    task_id = submit(
        installation, name="user.root.eater", command=EATER, n_jobs=2, outputs=["out.txt"],
        memory_mb=100, disk_mb=100, max_attempts=2,
    )  # fmt: skip
    task = end_of(installation, task_id)
    jobs = jobs_of(installation, task_id)
    assert (task["status"], task["n_files_finished"]) == ("done", 2)
    assert sorted((job["memory_mb"], job["status"], job["pilot_error_code"]) for job in jobs) == [
        (100, "failed", 1235), (100, "failed", 1235), (250, "finished", 0),
        (250, "finished", 0)]  # fmt: skip
