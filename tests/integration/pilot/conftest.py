"""A real pilot process and a real HTTP server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from culm.wire.job_spec import JobInput, JobOutput, JobSpec
from tests.contract.pilot_server import PROVISIONING, PilotServer


class PilotProcess:
    """A pilot that runs as its own process, its log in a file."""

    def __init__(self, server: PilotServer, folder: Path, options: dict[str, object]) -> None:
        self.work_dir = folder / "pilot"
        self.log_file = folder / "pilot.log"
        token_file = folder / "token"
        token_file.write_text(PROVISIONING)
        flags = {
            "--server": server.url,
            "--queue": "Q",
            "--token-file": token_file,
            "--work-dir": self.work_dir,
            "--kill-grace": 0.3,
            # Payloads of tests write where the test looks; those that are shut in have their own.
            "--isolation": "off",
            **options,
        }
        argv = [sys.executable, "-m", "pilot"]
        for name, value in flags.items():
            argv += [name] if value is True else [name, str(value)]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(argv, stderr=log, stdout=log, env=dict(os.environ))

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def ended(self, seconds: float = 15.0) -> int:
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the pilot does not end:\n{self.log}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@pytest.fixture
def server() -> Iterator[PilotServer]:
    running = PilotServer().start()
    yield running
    running.stop()
    assert running.violations == []


@pytest.fixture
def start(server: PilotServer, tmp_path: Path) -> Iterator[Callable[..., PilotProcess]]:
    pilots: list[PilotProcess] = []

    def starter(**options: object) -> PilotProcess:
        flags = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        pilots.append(PilotProcess(server, tmp_path, flags))
        return pilots[-1]

    yield starter
    for pilot in pilots:
        if pilot.process.poll() is None:
            pilot.signal(signal.SIGTERM)
            pilot.ended()


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder


@pytest.fixture
def a_job(storage: Path) -> Callable[..., JobSpec]:
    def build(
        command: str = "true",
        *,
        job_id: int = 1,
        outputs: dict[str, str] | None = None,
        inputs: tuple[JobInput, ...] = (),
        log: bool = True,
        **values: object,
    ) -> JobSpec:
        placed = [
            JobOutput(local_name=local, lfn=lfn, url=f"file://{storage}/{lfn}")
            for local, lfn in (outputs or {}).items()
        ]
        if log:
            lfn = f"job-{job_id}.log.tgz"
            placed.append(
                JobOutput(local_name=lfn, lfn=lfn, url=f"file://{storage}/{lfn}", kind="log")
            )
        return JobSpec(
            **{
                "job_id": job_id,
                "task_id": 10_000_001,
                "attempt_nr": 1,
                "task_name": "user.a.test",
                "command": command,
                "inputs": inputs,
                "outputs": tuple(placed),
                **values,
            }
        )

    return build
