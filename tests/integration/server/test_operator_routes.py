"""What operators and machines ask: health, queues, metrics, audit, documentation."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from culm.wire.codec import decode
from culm.wire.views import AuditReport, Identity, PilotList, QueueList
from tasks.store.books import Books
from tests.builders import a_task, run_stages, task_row
from tests.server_scene import Scene, scene_over


def test_whoami_says_what_the_token_says(scene: Scene) -> None:
    found = decode(Identity, scene.person("alice", "user", "production").get("/v1/whoami").json())
    assert (found.user, found.roles) == ("alice", ("production", "user"))
    assert found.expires_at.endswith("Z")


def test_readiness_says_what_is_wrong(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scene.client.get("/v1/ready").status_code == 200
    monkeypatch.setattr("tasks.store.schema.newest", lambda: "9999")
    answer = scene.client.get("/v1/ready")
    assert (answer.status_code, answer.json()) == (
        503, {"status": "not ready", "checks": {"database": "needs: culm db init",
                                               "storage": "ok"}})  # fmt: skip


def test_health_does_not_need_the_database(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Books, "read", lambda _self: 1 / 0)
    answer = scene.client.get("/v1/health")
    monkeypatch.undo()
    assert answer.json() == {"status": "ok"}


def test_queues_are_shown_and_changed(scene: Scene) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    a_task(scene.books, n_jobs=2)
    run_stages(scene.books)
    queues = decode(QueueList, alice.get("/v1/queues").json()).queues
    assert [(q.name, q.site, q.status, q.n_activated) for q in queues] == [
        ("LOCAL", "LOCAL", "online", 2)]  # fmt: skip
    made = root.put("/v1/queues/CERN", json={"site": "CH", "settings": {"max_memory_mb": 4000}})
    assert (made.status_code, made.json()["settings"]) == (201, {"max_memory_mb": 4000})
    changed = root.put("/v1/queues/CERN", json={"site": "CH", "settings": {}})
    assert (changed.status_code, changed.json()["settings"]) == (200, {})
    wrong = root.put("/v1/queues/CERN", json={"site": "CH", "settings": {"max_memory": 1}})
    assert wrong.json()["errors"][0]["needed"] == "unknown; did you mean max_memory_mb?"
    off = root.post("/v1/queues/CERN/status", json={"status": "offline"})
    assert off.json()["status"] == "offline"
    wrong = root.post("/v1/queues/CERN/status", json={"status": "ofline"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "CULM-1001")
    assert root.post("/v1/queues/CERM/status", json={"status": "online"}).status_code == 404


def test_queue_that_opens_takes_the_tasks_that_wait(scene: Scene) -> None:
    root = scene.person("root", "admin")
    task_id = a_task(scene.books, memory_mb=8000)
    root.put("/v1/queues/LOCAL", json={"site": "LOCAL", "settings": {"max_memory_mb": 1000}})
    run_stages(scene.books)
    assert task_row(scene.books, task_id).status == "pending"
    root.put("/v1/queues/LOCAL", json={"site": "LOCAL", "settings": {}})
    run_stages(scene.books)
    assert task_row(scene.books, task_id).status == "running"


def test_pilots_are_listed(scene: Scene) -> None:
    scene.pilot(host="a")
    scene.pilot(host="b")
    pilots = decode(PilotList, scene.person("alice").get("/v1/pilots").json()).pilots
    assert [(p.host, p.queue, p.status) for p in pilots] == [
        ("b", "LOCAL", "active"), ("a", "LOCAL", "active")]  # fmt: skip


def test_metrics_count_by_route_and_status(scene: Scene) -> None:
    a_task(scene.books, n_jobs=3)
    run_stages(scene.books)
    scene.person("alice").get("/v1/tasks/1")
    scene.client.get("/v1/nowhere")
    pilot = scene.pilot()
    pilot.post("/v1/pilots/me/work", json={"request_key": "r", "disk_mb": 10**6})
    text = scene.person("root", "admin").get("/v1/metrics").text
    for line in (
        'culm_requests_total{method="GET",route="/v1/tasks/{task_id}",status="404"} 1.0',
        'culm_requests_total{method="GET",route="none",status="401"} 1.0',
        "culm_group_commit_items_count 1.0",
        'culm_jobs{status="activated"} 2.0',
        'culm_jobs{status="sent"} 1.0',
        'culm_tasks{status="running"} 1.0',
        "culm_waiters 0.0",
    ):
        assert line in text.splitlines()


def test_audit_finds_what_does_not_add_up(scene: Scene) -> None:
    a_task(scene.books)
    root = scene.person("root", "admin")
    report = decode(AuditReport, root.get("/v1/audit").json())
    assert (report.findings, report.checked["tasks"]) == ((), 1)
    with scene.books.write() as session:
        session.connection().exec_driver_sql("UPDATE task SET status = 'odd'")
    found = decode(AuditReport, root.get("/v1/audit").json()).findings
    assert any("status odd is not a status" in finding.message for finding in found)
    with scene.books.write() as session:
        session.connection().exec_driver_sql("UPDATE task SET status = 'registered'")


def test_documentation_describes_every_route(scene: Scene) -> None:
    document = scene.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["x-access"], (method, path)
            assert "422" not in operation["responses"]
            public = ("/v1/health", "/v1/ready", "/v1/organisations", "/docs", "/openapi.json",
                      "/api/v1/system/is_alive", "/auth/{vo}_auth_config.json")  # fmt: skip
            fetched = path.startswith(("/trf/", "/cache/schedconfig/", "/cache/ddmendpoints"))
            assert ("security" in operation) == (path not in public and not fetched)
    schemas = document["components"]["schemas"]
    assert schemas["TaskSpec"]["properties"]["n_jobs"]["anyOf"][0]["maximum"] == 10_000_000
    assert schemas["TaskSpec"]["required"] == ["name", "command"]
    assert all(ref in schemas for ref in _references(document))
    page = scene.client.get("/docs")
    assert "<script" not in page.text
    assert "/v1/tasks/{task_id}/commands" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"].rsplit("/", 1)[1]} if "$ref" in value else set()
        return found.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def test_database_that_is_away_is_said_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    from tasks.store import books as module

    def away(*_: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("connection refused"))

    monkeypatch.setattr(module, "Session", away)
    answer = scene.person("alice").get("/v1/tasks")
    monkeypatch.undo()
    assert (answer.status_code, answer.json()["code"]) == (429, "CULM-2002")
    assert answer.headers["retry-after"] == "1"
    assert "SELECT" not in answer.text


def test_bug_answers_with_an_id_and_no_traceback(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("server.routes.tasks.task_list", broken)
    answer = scene.person("alice").get("/v1/tasks")
    assert (answer.status_code, answer.json()["code"]) == (500, "CULM-9000")
    assert "secret detail" not in answer.text
    error_id = answer.json()["detail"].split("error ")[1].rstrip(")")
    assert any(getattr(record, "error_id", "") == error_id for record in caplog.records)


def test_storage_that_is_away_is_said_so(scene: Scene) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    with scene.books.write() as session:
        session.connection().exec_driver_sql(
            f"UPDATE storage_endpoint SET directory = '{Path('/proc/nowhere')}'"
        )
    answer = alice.put("/v1/datasets/user.alice.d/files/f", content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (502, "CULM-3001")


def test_timer_that_breaks_does_not_end_the_server(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.app.beat", lambda *_: 1 / 0)
    with scene_over(books, tmp_path) as scene:
        end = time.monotonic() + 10
        while "timer broke" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert scene.person("alice").get("/v1/tasks").status_code == 200


def test_grid_is_written_by_administrators_all_or_nothing(scene: Scene) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    document = {"sites": {"CERN": {}}, "queues": {"BIG": {"site": "CERN",
                "settings": {"core_count": 8}, "writes": ["LOCAL"]}}}  # fmt: skip
    assert alice.post("/v1/grid", json={"document": document}).status_code == 403
    tried = root.post("/v1/grid", json={"document": document, "dry_run": True})
    assert (tried.json()["queues_added"], tried.json()["dry_run"]) == (["BIG"], True)
    assert root.get("/v1/queues/BIG").status_code == 404
    assert root.post("/v1/grid", json={"document": document}).status_code == 200
    shown = alice.get("/v1/queues/BIG").json()
    assert (shown["site"], shown["settings"]) == ("CERN", {"core_count": 8})
    assert (shown["reads"], shown["writes"]) == (["LOCAL"], ["LOCAL"])
    assert alice.get("/v1/grid").json()["queues"].keys() >= document["queues"].keys()
    document["queues"] |= {"ODD": {"site": "CERN", "settings": {"core_cont": 1}}}
    refused = root.post("/v1/grid", json={"document": document})
    assert refused.status_code == 422
    [fault] = refused.json()["errors"]
    assert fault["field"] == "queues.ODD.settings.core_cont"
    assert "core_count" in fault["needed"]
