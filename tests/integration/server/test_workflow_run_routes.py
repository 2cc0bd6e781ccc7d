"""Workflows that run, over HTTP: submitted, shown, steered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import run_stages
from tests.cwl_scene import a_workflow, prun
from tests.integration.tasks.workflow_scene import Hands, checked
from tests.server_scene import Scene, told

CHAIN = a_workflow(prun("top") + prun("bottom", "opt_inDS: top/outDS"))


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker that loads documents has tests of its own: here each text is loaded once."""
    monkeypatch.setattr("server.routes.workflow_runs.look_at", _look_at)


def _look_at(bundle: Any) -> Any:
    return checked(bundle.cwl, bundle.yaml, tuple(sorted(bundle.files.items())))


def a_submission(name: str = "user.alice.w", **changes: Any) -> dict[str, Any]:
    return {"bundle": {"name": name, "cwl": "c.cwl", "files": {"c.cwl": CHAIN}}} | changes


def test_workflow_is_submitted_once_shown_and_steered(scene: Scene) -> None:
    alice = scene.person("alice")
    key = {"Idempotency-Key": "k"}
    made = alice.post("/v1/workflows", json=a_submission(), headers=key)
    assert (made.status_code, told(made)) == (201, {
        "workflow_id": 1, "name": "user.alice.w", "status": "registered", "created": True,
        "warnings": []})  # fmt: skip
    again = alice.post("/v1/workflows", json=a_submission(), headers=key)
    assert (again.status_code, again.json()["workflow_id"]) == (200, 1)
    taken = alice.post("/v1/workflows", json=a_submission())
    assert taken.status_code == 409
    assert "culm workflow retry 1" in taken.json()["hint"]
    with scene.books.write() as session:  # outputs are not looked for
        session.connection().exec_driver_sql("UPDATE storage_endpoint SET directory = NULL")
    Hands(scene.books).to_the_end()
    shown = alice.get("/v1/workflows/1").json()
    assert (shown["status"], shown["step_counts"], shown["final"]) == ("done", {"done": 2}, True)
    listed = alice.get("/v1/workflows?status=done&name=user.*").json()["workflows"]
    assert [one["workflow_id"] for one in listed] == [1]
    steps = alice.get("/v1/workflows/1/steps?limit=1").json()
    assert [(s["instance"], s["task_status"]) for s in steps["steps"]] == [("000_top", "done")]
    rest = alice.get(f"/v1/workflows/1/steps?after={steps['next']}").json()["steps"]
    assert [(s["instance"], s["parents"]) for s in rest] == [("001_bottom", ["000_top"])]
    graph = alice.get("/v1/workflows/1/graph").json()
    assert [(node["path"], node["counts"]) for node in graph["nodes"]] == [
        ("top", {"done": 1}), ("bottom", {"done": 1})]  # fmt: skip
    assert graph["edges"] == [{"parent": "top", "child": "bottom", "again": False}]
    moves = alice.get("/v1/workflows/1/history").json()["entries"]
    assert [move["to_status"] for move in moves] == ["registered", "running", "done"]
    refused = alice.post("/v1/workflows/1/commands", json={"command": "kill"})
    assert refused.status_code == 409


def test_commands_answer_with_what_they_do(scene: Scene) -> None:
    alice = scene.person("alice")
    assert alice.post("/v1/workflows", json=a_submission()).status_code == 201
    run_stages(scene.books)
    answer = alice.post("/v1/workflows/1/commands", json={"command": "pause"})
    assert told(answer) == {"workflow_id": 1, "message": "pause accepted: 1 tasks are told"}


@pytest.mark.parametrize(
    ("submission", "status", "words"),
    [
        (a_submission("user.bob.w"), 403, "not yours to make"),
        (a_submission(sandbox="0" * 64), 422, "upload it first"),
        (a_submission(sandbox="x"), 422, "a SHA-256 digest"),
        ({"bundle": {"name": "user.alice.w"}}, 422, "bundle.cwl"),
    ],
)
def test_bad_submissions_are_refused(
    scene: Scene, submission: dict[str, Any], status: int, words: str
) -> None:
    answer = scene.person("alice").post("/v1/workflows", json=submission)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_lists_hold_ones_own_and_an_administrator_sees_all(scene: Scene) -> None:
    scene.person("alice").post("/v1/workflows", json=a_submission())
    assert scene.person("bob").get("/v1/workflows?user=*").json()["workflows"] == []
    assert scene.person("bob").get("/v1/workflows?user=alice").json()["workflows"] == []
    found = scene.person("root", "admin").get("/v1/workflows?user=*").json()["workflows"]
    assert [one["user"] for one in found] == ["alice"]
