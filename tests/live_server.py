"""A server in a process of its own, as `culm server` starts it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from culm.core.settings import Settings
from tasks.store import schema
from tasks.store.books import Books
from tasks.store.seed import seed
from tests.server_scene import a_token, settings_in

REPOSITORY = Path(__file__).parent.parent
START_SECONDS = 90.0
_CERTIFICATES = ssl.create_default_context()
"""Made once: each client that makes its own takes 30 ms of CPU for it."""


@dataclass(frozen=True)
class LiveServer:
    """A running server process."""

    process: subprocess.Popen[bytes]
    settings: Settings
    books: Books
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.settings.server_port

    def client(self, subject: str = "alice", *roles: str, token: str = "") -> httpx.Client:
        """A client with a token of its own."""
        token = token or a_token(self.settings, subject, *(roles or ("user",)), queues=("*",))
        return httpx.Client(base_url=self.settings.server_url, timeout=60, verify=_CERTIFICATES,
                            headers={"Authorization": f"Bearer {token}"})  # fmt: skip

    def pilot(self) -> httpx.Client:
        """A client with the token of a pilot that signed on."""
        spec = {"queue": "LOCAL", "host": "node1", "process_id": 1, "version": "test"}
        with self.client("provisioner", "pilot") as client:
            token = client.post("/v1/pilots", json=spec).raise_for_status().json()["token"]
        return self.client(token=token)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def live_server(
    books_url: str, folder: Path, *options: str, authority: Path | None = None
) -> Iterator[LiveServer]:
    """A server over this database, made new, with its files below this folder.

    With the file of an authority it speaks TLS, with the certificate that the options name.
    """
    port = free_port()
    url = f"{'https' if authority else 'http'}://127.0.0.1:{port}"
    settings = settings_in(folder, database_url=books_url, server_port=port, server_url=url)
    with Books(books_url) as books:
        schema.upgrade(books)
        seed(books, settings.storage_dir)
        log = folder / "server.log"
        with log.open("wb") as stream:
            process = start(settings, *options, log=stream)
        server = LiveServer(process, settings, books, log)
        try:
            _wait(server, authority)
            yield server
        finally:
            # Its workers too, whether they are listening to it or not.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def start(settings: Settings, *options: str, log: object = None) -> subprocess.Popen[bytes]:
    """Start `culm server` with these settings."""
    environment = {f"CULM_{n.upper()}": str(v) for n, v, _ in settings.items()}
    run = "from server.command import app; app(prog_name='culm server')"
    return subprocess.Popen([sys.executable, "-c", run, *options], cwd=REPOSITORY, stdout=log,
                            stderr=subprocess.STDOUT if log else None,
                            start_new_session=True,
                            env=os.environ | environment)  # type: ignore[call-overload]  # fmt: skip


def _wait(server: LiveServer, authority: Path | None) -> None:
    end = time.monotonic() + START_SECONDS
    verify = ssl.create_default_context(cafile=authority) if authority else _CERTIFICATES
    while time.monotonic() < end:
        try:
            answer = httpx.get(f"{server.settings.server_url}/v1/health", verify=verify)
            if answer.status_code == 200:
                return
        except httpx.TransportError:
            if server.process.poll() is not None:
                break
        time.sleep(0.05)
    raise AssertionError(f"server did not start:\n{server.log.read_text()}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
