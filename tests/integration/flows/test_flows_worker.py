"""prefect.yaml on a real work pool: deploy all of it, and let a worker run one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from culm.wire.task_spec import TaskSpec
from flows.cleaning import STAGES
from flows.table import TABLE
from tasks.stages.submit import submit
from tasks.store.books import Books
from tasks.views.tasks import task_view
from tests.integration.flows.prefect_scene import SQLITE_ONLY, PrefectServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), SQLITE_ONLY]


HOUSE = Path(__file__).parents[3]


def run_prefect(prefect: PrefectServer, directory: Path, database_url: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *words], cwd=HOUSE, capture_output=True, text=True,
        env=environment(prefect, directory, database_url), check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(prefect: PrefectServer, directory: Path, database_url: str) -> dict[str, str]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "CULM_"))}
    return {
        **mine,
        "PREFECT_API_URL": prefect.api,
        "PREFECT_HOME": str(directory / "worker"),
        "DO_NOT_TRACK": "1",
        "CULM_DATABASE_URL": database_url,
        "PYTHONPATH": str(HOUSE),
    }


def test_prefect_yaml_is_deployed_and_a_worker_runs_a_stage(
    prefect: PrefectServer, books: Books, tmp_path: Path
) -> None:
    task_id = submit(
        books, TaskSpec(name="user.alice.hello", command="true"), "alice", "key"
    ).task_id
    # By the API what `prefect work-pool create` and `prefect deployment run` do: each start of
    # Prefect's command takes seconds.
    prefect.post("work_pools/", name="culm", type="process")

    run_prefect(prefect, tmp_path, books.url, "--no-prompt", "deploy", "--all")

    deployed = {d["name"]: d for d in prefect.find("deployments")}
    assert set(deployed) == {*STAGES, *(row.name for row in TABLE)}
    for row in TABLE:
        [schedule] = deployed[row.name]["schedules"]
        assert schedule["active"]
        assert schedule["schedule"]["interval"] == max(row.period_seconds, 60)
    assert not any(deployed[name]["schedules"][0]["active"] for name in STAGES)

    prefect.post(f"deployments/{deployed['refine']['id']}/create_flow_run",
                 state={"type": "SCHEDULED"})  # fmt: skip
    run_prefect(prefect, tmp_path, books.url, "worker", "start", "--pool", "culm", "--run-once")

    run: dict[str, Any] = wait_until(
        lambda: next(iter(prefect.task_runs(f"refine {task_id} user.alice.hello")), None)
    )
    assert run["state_type"] == "COMPLETED"
    with books.read() as session:
        assert task_view(session, task_id).status == "defined"
