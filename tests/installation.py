"""A whole installation of real processes for a test: server, daemon, pilots, in one folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tasks.store import schema
from tasks.store.books import Books
from tasks.store.seed import seed

_HTTP = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
"""One client for all calls: each that is made reads all certificates, 30 ms of CPU. It keeps no
connection, since servers are killed here."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Return once it is true; fail with `what` if it does not become so in time.

    The time is for the slowest of machines: a wait that comes true costs none of it.
    """
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


SHORT_LEASES = Path(__file__).parent / "daemon_with_short_leases.py"


@dataclass
class Installation:
    """Parts of Culm by name, each a process in a group of its own with a log file.

    A daemon that is killed holds tasks for `lease_seconds` more, if they are given.
    """

    folder: Path
    database_url: str
    lease_seconds: float | None = None
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every part and command of this installation."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")}
        return kept | {
            "CULM_DATA_DIR": str(self.folder / "data"),
            "CULM_DATABASE_URL": self.database_url,
            "CULM_SERVER_PORT": str(self.port),
            "CULM_SERVER_URL": self.url,
            "CULM_PREFECT_PORT": str(free_port()),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            # Payloads of these tests leave traces outside of their directories, on purpose.
            "CULM_ISOLATION": "off",
        }

    def culm(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "culm", *words], env=self.environment, cwd=self.folder,
            capture_output=True, text=True, check=check, timeout=120,
        )  # fmt: skip

    def start(self, name: str, *words: str) -> None:
        """Start a part: `culm WORDS…`; without words as it was started before."""
        self.commands[name] = words or self.commands[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *self._program(*self.commands[name])], env=self.environment,
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _program(self, part: str, *options: str) -> list[str]:
        if part == "daemon" and self.lease_seconds is not None:
            return [str(SHORT_LEASES), str(self.lease_seconds), *options]
        return ["-m", "culm", part, *options]

    def start_all(self, pilots: int = 2, slots: int = 2, batch: int = 5) -> None:
        """Make the database, start server, daemon and pilots; returns when the server answers."""
        self.make_database()
        self.start("server", "server")
        self.start("daemon", "daemon", "--without-prefect")
        wait_until(self.answers, "server")
        for number in range(pilots):
            work_dir = str(self.folder / f"work{number}")
            self.start(
                f"pilot{number}", "pilot", "--queue", "LOCAL", "--work-dir", work_dir,
                "--slots", str(slots), "--cores", str(slots), "--batch", str(batch),
            )  # fmt: skip

    def make_database(self) -> None:
        """What `culm db init` does, without a process of its own."""
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        with Books(self.database_url) as books:
            schema.upgrade(books)
            seed(books, data / "storage")

    def answers(self) -> bool:
        """Whether the server is ready."""
        try:
            with urllib.request.urlopen(f"{self.url}/v1/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self, name: str) -> None:
        """SIGKILL a part; what it started lives on, as after a crash."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End every part in good order, pilots first."""
        for name in sorted(self.processes, key=lambda n: (not n.startswith("pilot"), n)):
            process = self.processes[name]
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes.clear()

    def api(self, method: str, path: str, token: str = "admin", **more: object) -> httpx.Response:
        """One call of the server's API with one of the tokens of its first start."""
        text = (self.folder / "data" / "tokens" / f"{token}.token").read_text().strip()
        headers = {"Authorization": f"Bearer {text}"}
        return _HTTP.request(method, self.url + path, headers=headers, **more)  # type: ignore[arg-type]

    def logs(self) -> str:
        """The last lines of every part's log, for a failing test."""
        parts = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-2000:]}" for p in parts)
