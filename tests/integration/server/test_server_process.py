"""The server as a process: starts, long polls, disconnects, slow and large bodies, its end."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from culm.client import Client
from tests.builders import a_task, run_stages
from tests.conftest import DATABASES, _postgresql_database
from tests.live_server import LiveServer, live_server, start
from tests.proxy import cutting_proxy
from tests.server_scene import a_token, settings_in

WORK = {"request_key": "r1", "n_jobs": 1, "memory_mb": 10**6, "disk_mb": 10**6}


@pytest.fixture
def own_server(books_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(books_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """One server on each database, for tests that leave nothing that would trouble the next."""
    folder = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        url = f"sqlite:///{folder}/culm.db"
        if request.param == "postgresql":
            postgresql = request.getfixturevalue("postgresql_server")
            url = stack.enter_context(_postgresql_database(postgresql))
        yield stack.enter_context(live_server(url, folder))


def until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def waiters(server: LiveServer) -> float:
    with server.client("root", "admin") as root:
        lines = root.get("/v1/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("culm_waiters "))


def test_first_start_makes_keys_and_tokens_for_their_owner_only(server: LiveServer) -> None:
    data = server.settings.data_dir
    tokens = sorted(path.name for path in (data / "tokens").iterdir())
    assert tokens == ["admin.token", "pilot.token", "user.token"]
    for path in [*(data / "tokens").iterdir(), *(data / "keys").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    me = server.client(token=(data / "tokens" / "admin.token").read_text().strip())
    assert me.get("/v1/whoami").json()["roles"] == ["admin", "production", "user"]
    assert httpx.get(f"{server.settings.server_url}/v1/ready").json() == {
        "status": "ready", "checks": {"database": "ok", "storage": "ok"}}  # fmt: skip


def test_waiting_pilot_gets_work_soon_after_it_comes(server: LiveServer) -> None:
    with server.pilot() as pilot, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pilot.post, "/v1/pilots/me/work", json=WORK | {"wait_seconds": 30})
        until(lambda: waiters(server) == 1)
        a_task(server.books)
        run_stages(server.books)
        came = time.monotonic()
        assert len(waiting.result().json()["jobs"]) == 1
        assert time.monotonic() - came < 2


def test_client_that_goes_away_gets_no_job(server: LiveServer) -> None:
    with server.pilot() as pilot:
        with pytest.raises(httpx.ReadTimeout):
            pilot.post("/v1/pilots/me/work", json=WORK | {"wait_seconds": 60}, timeout=0.5)
        pilot.close()
    until(lambda: waiters(server) == 0)
    a_task(server.books)
    run_stages(server.books)
    with server.pilot() as other:
        assert len(other.post("/v1/pilots/me/work", json=WORK).json()["jobs"]) == 1


def test_cut_download_goes_on_where_it_was(server: LiveServer, tmp_path: Path) -> None:
    body = os.urandom(3_000_000)
    (tmp_path / "a.bin").write_bytes(body)
    token = a_token(server.settings, "alice", "user")
    with (
        cutting_proxy(server.port, [1_000_000, 1_500_000]) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}", token=token) as client,
    ):
        client.add_dataset("user.alice.cut")
        client.upload("user.alice.cut", tmp_path / "a.bin")
        proxy.armed.set()
        fetched = client.download("user.alice.cut", "a.bin", tmp_path / "out")
    assert fetched.read_bytes() == body
    assert proxy.left == []
    # The headers of three answers are little more than the body itself.
    assert len(body) < proxy.given < len(body) + 200_000


def test_termination_lets_waiters_go_and_is_quick(own_server: LiveServer) -> None:
    server = own_server
    with server.pilot() as pilot, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pilot.post, "/v1/pilots/me/work", json=WORK | {"wait_seconds": 60})
        until(lambda: waiters(server) == 1)
        started = time.monotonic()
        status = server.stop(signal.SIGTERM)
        assert time.monotonic() - started < 5
        assert waiting.result().json() == {"jobs": [], "sign_off": False}
        assert status in (0, -signal.SIGTERM)


def test_killed_server_starts_again_and_goes_on(books_url: str, tmp_path: Path) -> None:
    with live_server(books_url, tmp_path) as server:
        with server.client() as alice:
            spec = {"name": "user.alice.t", "command": "true"}
            task_id = alice.post("/v1/tasks", json=spec, headers={"Idempotency-Key": "k"}).json()
        server.stop(signal.SIGKILL)
    with live_server(books_url, tmp_path) as again, again.client() as alice:
        answer = alice.post("/v1/tasks", json=spec, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["task_id"]) == (200, task_id["task_id"])


def test_huge_body_is_refused_before_it_is_read(server: LiveServer) -> None:
    token = server.client().headers["Authorization"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
                     f"Content-Length: {10**12}\r\n\r\n".encode())  # fmt: skip
        assert b" 413 " in line.recv(65536).split(b"\r\n", 1)[0]


def test_many_submissions_at_once_make_each_task_once(server: LiveServer) -> None:
    def submit(number: int) -> int:
        with server.client() as alice:
            spec = {"name": f"user.alice.many{number % 20}", "command": "true"}
            key = {"Idempotency-Key": f"k{number % 20}"}
            answer = alice.post("/v1/tasks", json=spec, headers=key)
            assert answer.status_code in (200, 201), answer.text
            return int(answer.json()["task_id"])

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(submit, range(60)))
    assert len(set(ids)) == 20


def test_answers_go_on_while_one_client_sends_nothing(server: LiveServer) -> None:
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for line in lines:
        line.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n")
    with server.client() as alice:
        assert alice.get("/v1/tasks", timeout=5).status_code == 200
    for line in lines:
        line.close()


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_slow_body_ends_in_bounded_time(server: LiveServer) -> None:
    token = server.client().headers["Authorization"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
                     "Content-Length: 1000\r\n\r\n{".encode())  # fmt: skip
        started = time.monotonic()
        answer = b""
        while b"CULM-1001" not in answer:
            answer += line.recv(65536)
    assert b" 422 " in answer.split(b"\r\n", 1)[0]
    assert b"too slowly" in answer
    assert time.monotonic() - started < 30


def test_public_address_without_tls_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, server_host="0.0.0.0")
    process = start(settings)
    assert process.wait(timeout=30) != 0
    assert not (tmp_path / "keys").exists()


def test_database_of_another_schema_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert start(settings).wait(timeout=30) != 0


def test_several_workers_serve_together(books_url: str, tmp_path: Path) -> None:
    with live_server(books_url, tmp_path, "--workers", "2") as server:
        with server.client() as alice, ThreadPoolExecutor(4) as pool:
            specs = [{"name": f"user.alice.t{n}", "command": "true"} for n in range(12)]
            answers = list(pool.map(lambda spec: alice.post("/v1/tasks", json=spec), specs))
            assert [answer.status_code for answer in answers] == [201] * 12
            assert len(alice.get("/v1/tasks").json()["tasks"]) == 12
        assert server.stop() in (0, -signal.SIGTERM)
