"""The server's disk takes no more, and later does again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.audit import audit
from tests.builders import a_task, run_stages
from tests.disks import no_file_over
from tests.live_server import LiveServer, live_server
from tests.server_scene import an_archive, sha256

MB = 1 << 20
LIMIT = 4 * MB
BODY = os.urandom(6 * MB)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("full")
    with live_server(f"sqlite:///{folder}/culm.db", folder) as running:
        yield running
        with running.books.read() as session:
            assert audit(session) == []


def rows(server: LiveServer, table: str) -> int:
    with server.books.read() as session:
        statement = f"SELECT COUNT(*) FROM {table}"
        return int(session.connection().exec_driver_sql(statement).scalar() or 0)


def files_below(server: LiveServer) -> list[Path]:
    """Every file in storage and among the sandboxes, drafts too."""
    folders = (server.settings.storage_dir, server.settings.sandbox_dir)
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def an_upload(server: LiveServer) -> dict[str, Any]:
    with server.client() as alice:
        alice.post("/v1/datasets", json={"name": "user.alice.full"}).raise_for_status()
    return {"url": "/v1/datasets/user.alice.full/files/a.bin", "content": BODY}


def a_sandbox(_: LiveServer) -> dict[str, Any]:
    body = an_archive(text=BODY.hex())
    return {"url": f"/v1/sandboxes/{sha256(body)}", "content": body}


def an_output(server: LiveServer) -> dict[str, Any]:
    a_task(server.books, outputs=["a.bin"])
    run_stages(server.books)
    pilot = server.pilot()
    asked = {"request_key": "r", "n_jobs": 1, "memory_mb": 10**6, "disk_mb": 10**6}
    [job] = pilot.post("/v1/pilots/me/work", json=asked).json()["jobs"]
    [output] = [each for each in job["outputs"] if each["kind"] == "output"]
    place = "/".join(Path(output["url"]).parts[-2:])
    return {"url": f"/v1/storage/LOCAL/{place}", "content": BODY, "client": pilot}


@pytest.mark.parametrize("make", [an_upload, a_sandbox, an_output])
def test_upload_to_a_full_disk_leaves_nothing_and_goes_well_later(
    server: LiveServer, make: Any
) -> None:
    call = {"client": server.client()} | make(server)
    client: httpx.Client = call.pop("client")
    tables = ("sandbox", "catalog_file", "replica")
    before = (files_below(server), [rows(server, table) for table in tables])
    with no_file_over(LIMIT, server.process.pid):
        answer = client.put(**call)
        assert (answer.status_code, answer.json()["code"]) == (502, "CULM-3001")
        assert answer.json()["detail"] == "the storage is full"
        assert "try again later" in answer.json()["hint"]
        assert (files_below(server), [rows(server, table) for table in tables]) == before
        assert client.get("/v1/health").status_code == 200
    assert client.put(**call).status_code == 201
    assert client.put(**call).status_code == 200


def test_books_on_a_full_disk_take_nothing_and_recover(server: LiveServer) -> None:
    spec = {"name": "user.alice.books", "command": "true"}
    before = rows(server, "task")
    with server.client() as alice:
        with no_file_over(1, server.process.pid):
            answer = alice.post("/v1/tasks", json=spec)
            assert (answer.status_code, answer.json()["code"]) == (429, "CULM-2002")
            assert "the database did not take it" in answer.json()["detail"]
            assert alice.get("/v1/tasks").status_code == 200
            ready = alice.get("/v1/ready")
            assert ready.status_code == 503
            assert ready.json()["checks"]["storage"] == "cannot be written"
        assert rows(server, "task") == before
        assert alice.post("/v1/tasks", json=spec).status_code == 201
        assert alice.get("/v1/ready").status_code == 200
