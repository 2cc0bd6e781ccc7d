"""Hostile uploads and bodies: refused in bounded time and memory, and nothing is kept."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.server_scene import Scene, an_archive, sha256, told

MB = 1 << 20


def tar_of(*members: tuple[str, dict[str, Any]]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, attributes in members:
            member = tarfile.TarInfo(name)
            for key, value in attributes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(b"x" * member.size) if member.size else None)
    return gzip.compress(raw.getvalue())


def bomb() -> bytes:
    """An archive whose one member says that it unpacks to 3 GB."""
    header = tarfile.TarInfo("zeros")
    header.size = 3 << 30
    return gzip.compress(header.tobuf() + b"\0" * (200 * MB), 1)


UNSAFE: dict[str, Callable[[], bytes]] = {
    "parent": lambda: tar_of(("../x", {"size": 1})),
    "deep parent": lambda: tar_of(("a/../../x", {"size": 1})),
    "absolute": lambda: tar_of(("/etc/x", {"size": 1})),
    "symbolic link": lambda: tar_of(("x", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})),
    "hard link": lambda: tar_of(("x", {"type": tarfile.LNKTYPE, "linkname": "y"})),
    "device": lambda: tar_of(("x", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})),
    "pipe": lambda: tar_of(("x", {"type": tarfile.FIFOTYPE})),
    "setuid": lambda: tar_of(("x", {"size": 1, "mode": 0o4755})),
    "control character": lambda: tar_of(("a\nb", {"size": 1})),
    "many members": lambda: tar_of(*((f"f{n}", {}) for n in range(25_000))),
    "long name": lambda: tar_of(("a" * 5000, {"size": 1})),
    "not a tar": lambda: gzip.compress(b"hello" * 1000),
    "not a gzip": lambda: b"hello" * 1000,
    "cut off": lambda: an_archive(a="x" * 100_000)[:-20],
    "empty": lambda: b"",
    "bomb": bomb,
}


def nothing_is_kept(scene: Scene) -> None:
    kept = [path for path in scene.settings.sandbox_dir.rglob("*") if path.is_file()]
    assert kept == []


@pytest.mark.parametrize("kind", UNSAFE)
def test_unsafe_archive_is_refused(scene: Scene, kind: str) -> None:
    content = UNSAFE[kind]()
    alice = scene.person("alice")
    started = time.monotonic()
    answer = alice.put(f"/v1/sandboxes/{sha256(content)}", content=content)
    assert answer.status_code in (413, 422), (kind, answer.text)
    assert answer.json()["code"] in ("CULM-1006", "CULM-1008")
    assert time.monotonic() - started < 20
    nothing_is_kept(scene)


def test_sandbox_over_the_limit_is_refused(scene: Scene) -> None:
    alice = scene.person("alice")
    content = b"x" * (2 * MB)
    url = f"/v1/sandboxes/{sha256(content)}"
    assert alice.put(url, content=content).status_code == 413

    def blocks() -> Iterator[bytes]:
        for _ in range(20):
            yield content

    assert alice.put(url, content=blocks()).status_code == 413  # in chunks, without a length
    nothing_is_kept(scene)


def test_sandbox_with_another_digest_is_refused(scene: Scene) -> None:
    content = an_archive(a="1")
    answer = scene.person("alice").put(f"/v1/sandboxes/{'0' * 64}", content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "CULM-3002")
    nothing_is_kept(scene)


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", "%2e%2e%2fx", "/etc/passwd",
                                  "x" * 5000, "a%00b", "A" * 64, "0" * 63, "0" * 65,
                                  "0" * 64 + "%0a"])  # fmt: skip
def test_sandbox_has_no_name_but_its_digest(scene: Scene, name: str) -> None:
    alice = scene.person("alice")
    answer = alice.put(f"/v1/sandboxes/{name}", content=an_archive(a="1"))
    assert answer.status_code in (404, 405, 422)
    nothing_is_kept(scene)


@pytest.mark.parametrize("lfn", ["..", "../x", "%2e%2e", "..%2fx", "a%2fb", ".hidden", "a b",
                                 "a%00b", "-rf", "a%0ab", "x" * 300, "%ff"])  # fmt: skip
def test_file_name_leads_nowhere_else(scene: Scene, lfn: str) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    answer = alice.put(f"/v1/datasets/user.alice.d/files/{lfn}", content=b"x")
    assert answer.status_code in (404, 405, 422), answer.text
    files = [path for path in scene.settings.storage_dir.rglob("*") if path.is_file()]
    assert files == []


def test_file_over_the_limit_leaves_nothing(scene: Scene) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    url = "/v1/datasets/user.alice.d/files/f"
    assert alice.put(url, content=b"x" * (MB + 1)).status_code == 413
    assert alice.put(url, content=iter([b"x" * MB, b"x"])).status_code == 413
    files = [path for path in scene.settings.storage_dir.rglob("*") if path.is_file()]
    assert files == []
    assert alice.get(url).status_code == 404


BODIES = {
    "empty": b"",
    "not json": b"{",
    "not utf-8": b'{"name": "\xff\xfe"}',
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000,
    "not a number": b'{"name": NaN}',
    "huge number": b'{"name": "user.alice.x", "command": "x", "n_jobs": 1' + b"0" * 4000 + b"}",
    "out of range": b'{"name": "user.alice.x", "command": "x", "n_events": 1e999}',
    "half a character": b'{"name": "user.alice.x", "command": "\\ud800"}',
    "zero byte": b'{"name": "user.alice.x", "command": "a\\u0000b"}',
    "control character": b'{"name": "user.alice.x\\u001b[31m", "command": "x"}',
    "a list": b"[]",
    "null": b"null",
    "many unknown fields": b"{" + b",".join(b'"f%d": 1' % n for n in range(20_000)) + b"}",
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/datasets"])
def test_bad_body_is_refused_quickly(scene: Scene, kind: str, path: str) -> None:
    started = time.monotonic()
    answer = scene.person("alice").post(path, content=BODIES[kind])
    assert answer.status_code == 422, (kind, answer.text[:500])
    assert answer.json()["code"] == "CULM-1001"
    assert len(answer.content) < 100_000
    assert time.monotonic() - started < 10
    assert told(scene.person("alice").get("/v1/tasks")) == {"tasks": []}


def test_report_with_numbers_that_no_database_keeps_is_refused(scene: Scene) -> None:
    report = {"job_id": 10**30, "attempt_nr": 1, "report_nr": 1, "state": "running"}
    answer = scene.pilot().post("/v1/pilots/me/reports", json={"reports": [report]})
    assert answer.status_code == 422


@pytest.mark.parametrize("query", [
    "limit=0", "limit=100000", "limit=x", "before=-1", "before=99999999999999999999",
    "status=running';drop table task", "name=" + "x" * 300, "user=" + "x" * 100,
])  # fmt: skip
def test_absurd_queries_are_refused(scene: Scene, query: str) -> None:
    answer = scene.person("alice").get(f"/v1/tasks?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "CULM-1001")


@pytest.mark.parametrize("number", ["0", "-1", "1e3", "9" * 20, "x", "1%00", "10000001 "])
def test_absurd_numbers_of_tasks_are_refused(scene: Scene, number: str) -> None:
    answer = scene.person("alice").get(f"/v1/tasks/{number}")
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize("key", ["", "x" * 65, "a b", "a\x7f"])
def test_absurd_keys_are_refused(scene: Scene, key: str) -> None:
    spec = {"name": "user.alice.x", "command": "true"}
    answer = scene.person("alice").post("/v1/tasks", json=spec, headers={"Idempotency-Key": key})
    assert answer.status_code == 422


def test_patterns_are_no_way_to_run_statements(scene: Scene) -> None:
    alice = scene.person("alice")
    for pattern in ("'; DROP TABLE task; --", "%", "_", "[", "\\", "***" * 50):
        assert alice.get("/v1/datasets", params={"pattern": pattern}).status_code == 200
        assert alice.get("/v1/tasks", params={"name": pattern}).status_code == 200
