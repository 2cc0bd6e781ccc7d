"""A Prefect server of the tests' own, and waiting for conditions."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

START_SECONDS = 180
SQLITE_ONLY = pytest.mark.parametrize("books", ["sqlite"], indirect=True)
"""For tests of Prefect's side, to which our database is all the same."""

_HTTP = httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))
"""One client for all calls: each that is made takes 30 ms of CPU."""


def wait_until(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """What the condition gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what or condition}"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class PrefectServer:
    """A Prefect server of the tests' own, which can be killed and started again."""

    home: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        environment = {
            **os.environ,
            "PREFECT_HOME": str(self.home),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_API_URL": self.api,
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], env=environment, stdout=log, stderr=log
            )
        wait_until(self.healthy, START_SECONDS, "Prefect's server")

    def healthy(self) -> bool:
        try:
            return _HTTP.get(f"{self.api}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Meanwhile it takes connections and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def post(self, path: str, **document: Any) -> None:
        """One call of its API that makes something."""
        _HTTP.post(f"{self.api}/{path}", json=document).raise_for_status()

    def find(self, noun: str, **filters: Any) -> list[dict[str, Any]]:
        """Runs (`flow_runs`, `task_runs`), logs or flows, as its UI would find them."""
        answer = _HTTP.post(f"{self.api}/{noun}/filter", json=filters)
        return list(answer.raise_for_status().json())

    def task_runs(self, name_part: str) -> list[dict[str, Any]]:
        return self.find("task_runs", task_runs={"name": {"like_": name_part}})

    def flow_runs(self, name_part: str) -> list[dict[str, Any]]:
        return self.find("flow_runs", flow_runs={"name": {"like_": name_part}})


@contextmanager
def prefect_points_at(prefect: PrefectServer) -> Iterator[None]:
    """Flows of this process are recorded by this server; Prefect may be imported already."""
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    updates: dict[Any, Any] = {
        PREFECT_API_URL: prefect.api,
        PREFECT_CLIENT_MAX_RETRIES: 3,
        PREFECT_API_REQUEST_TIMEOUT: 5,
    }
    with temporary_settings(updates=updates):
        yield
