"""`culm up` as a person uses it: real parts, without Prefect (another test pays for that)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from culm.cli.records import records

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")}
    return kept | {
        "HOME": str(tmp_path), "CULM_DATA_DIR": str(tmp_path / "data"),
        "CULM_SERVER_PORT": str(free_port()),
    }  # fmt: skip


def culm(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "culm", *words], env=environment, cwd=environment["HOME"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def up(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(environment, tmp_path)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=90)


def start(environment: dict[str, str], tmp_path: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-P", "-m", "culm", "up", "--no-prefect", "--slots", "2"]
    process = subprocess.Popen(
        argv, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    ready = tmp_path / "data" / "run" / "ready"

    def is_ready() -> bool:
        return ready.exists() and ready.read_text() == str(process.pid)

    until(lambda: is_ready() or process.poll() is not None, 200)
    assert process.poll() is None, process.communicate()
    return process


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def parts(tmp_path: Path) -> dict[str, int]:
    return {r.name: r.process_id for r in records(tmp_path / "data" / "run") if r.alive()}


def test_work_is_done_parts_come_back_and_all_stop(
    up: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path
) -> None:
    before = parts(tmp_path)
    assert sorted(before) == ["daemon", "pilot-1", "server"]
    work = tmp_path / "work"
    work.mkdir()
    (work / "run.sh").write_text("echo $1 > out.txt")
    submit = ["prun", "--workDir", str(work), "--exec", "sh run.sh %RNDM:5", "--nJobs", "2"]
    done = culm(environment, *submit, "--outputs", "out.txt", "--wait", "--timeout", "200")
    assert done.returncode == 0, done.stderr

    refused = culm(environment, "up")
    assert refused.returncode == 5
    assert str(up.pid) in refused.stderr

    os.kill(before["daemon"], signal.SIGKILL)
    until(lambda: parts(tmp_path).get("daemon", before["daemon"]) != before["daemon"])
    done = culm(environment, *submit, "--wait", "--timeout", "200")
    assert done.returncode == 0, done.stderr

    status = json.loads(culm(environment, "up", "--status", "--json").stdout)
    assert (status["running"], status["process_id"]) == (True, up.pid)
    assert culm(environment, "down").returncode == 0
    _, err = up.communicate(timeout=90)
    assert up.returncode == 0
    assert "daemon ended (signal SIGKILL)" in err
    assert not [pid for pid in before.values() if psutil.pid_exists(pid)]
    _goes_on_in_the_background(environment, tmp_path)


def _goes_on_in_the_background(environment: dict[str, str], tmp_path: Path) -> None:
    done = culm(environment, "up", "--detach", "--no-prefect", "--slots", "2")
    assert done.returncode == 0, done.stderr
    assert "stop it: culm down" in done.stderr
    assert sorted(parts(tmp_path)) == ["daemon", "pilot-1", "server"]
    assert culm(environment, "task", "list").stdout.count("done") == 2
    assert culm(environment, "down").returncode == 0
    assert not parts(tmp_path)
    assert culm(environment, "down").returncode == 4


def test_supervisor_that_was_killed_is_followed_by_one_that_goes_on(
    up: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path
) -> None:
    before = parts(tmp_path)
    up.kill()
    up.communicate()
    assert parts(tmp_path) == before
    again = start(environment, tmp_path)
    try:
        assert set(parts(tmp_path)) == set(before)
        assert not set(parts(tmp_path).values()) & set(before.values())
    finally:
        again.send_signal(signal.SIGINT)
        _, err = again.communicate(timeout=90)
    assert "of an earlier culm up" in err
    assert again.returncode == 0


def test_port_in_use_is_named_with_its_setting(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["CULM_SERVER_PORT"]))):
        done = culm(environment, "up", "--no-prefect")
    assert done.returncode == 2
    assert f"server_port: {environment['CULM_SERVER_PORT']}" in done.stderr
    assert "--port" in done.stderr
