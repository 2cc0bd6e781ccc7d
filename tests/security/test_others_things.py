"""What belongs to another user is not there: read, kill, retry, tail, download, by any way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import a_task, run_stages
from tests.integration.tasks.workflow_scene import chain
from tests.server_scene import Scene, an_archive, sha256, told

READS = ["", "/history", "/decision", "/why", "/parameters", "/resources", "/jobs"]
COMMANDS = [
    "kill", "finish", "retry", "incexec", "pause", "resume", "avalanche", "release",
    "reactivate",
]  # fmt: skip


@pytest.fixture
def task_id(scene: Scene) -> int:
    number = a_task(scene.books, user="alice", n_jobs=2)
    run_stages(scene.books)
    return number


def the_same_as_missing(scene: Scene, answer: Any, missing: Any, number: int) -> None:
    assert answer.status_code == missing.status_code == 404
    assert answer.json() == missing.json() | {
        "detail": missing.json()["detail"].replace(str(number), answer.json()["detail"].split()[-1])
    }


@pytest.mark.parametrize("part", READS)
def test_task_of_another_is_not_there(scene: Scene, task_id: int, part: str) -> None:
    for bob in (scene.person("bob"), scene.person("bob", "user", "production")):
        answer = bob.get(f"/v1/tasks/{task_id}{part}")
        the_same_as_missing(scene, answer, bob.get(f"/v1/tasks/99999999{part}"), 99999999)
    assert scene.person("root", "admin").get(f"/v1/tasks/{task_id}{part}").status_code == 200


@pytest.mark.parametrize("part", ["", "/steps", "/graph", "/history"])
def test_workflow_of_another_is_not_there(scene: Scene, part: str) -> None:
    number = chain(scene.books)
    for bob in (scene.person("bob"), scene.person("bob", "user", "production")):
        answer = bob.get(f"/v1/workflows/{number}{part}")
        the_same_as_missing(scene, answer, bob.get(f"/v1/workflows/99999999{part}"), 99999999)
        order = bob.post(f"/v1/workflows/{number}/commands", json={"command": "kill"})
        assert order.status_code == 404
    assert scene.person("root", "admin").get(f"/v1/workflows/{number}{part}").status_code == 200


@pytest.mark.parametrize("name", COMMANDS)
def test_task_of_another_takes_no_command(scene: Scene, task_id: int, name: str) -> None:
    url = f"/v1/tasks/{task_id}/commands"
    assert scene.person("bob").post(url, json={"command": name}).status_code == 404
    run_stages(scene.books)
    shown = scene.person("alice").get(f"/v1/tasks/{task_id}").json()
    assert shown["status"] == "running"


def test_job_of_another_is_not_there(scene: Scene, task_id: int) -> None:
    alice, bob = scene.person("alice"), scene.person("bob")
    job_id = alice.get(f"/v1/tasks/{task_id}/jobs").json()["jobs"][0]["job_id"]
    assert bob.get(f"/v1/jobs/{job_id}").status_code == 404
    assert bob.get(f"/v1/jobs/{job_id}/history").status_code == 404
    killed = bob.post(f"/v1/jobs/{job_id}/commands", json={"command": "kill"})
    assert killed.status_code == 404
    assert alice.get(f"/v1/jobs/{job_id}").json()["status"] == "activated"


@pytest.mark.parametrize("user", ["*", "alice", "me", "bob", "%", "ali*"])
def test_no_filter_of_a_list_shows_anothers_tasks(scene: Scene, task_id: int, user: str) -> None:
    bob = scene.person("bob")
    assert told(bob.get("/v1/tasks", params={"user": user})) == {"tasks": []}
    shown = scene.person("root", "admin").get("/v1/tasks", params={"user": "*"}).json()["tasks"]
    assert [task["task_id"] for task in shown] == [task_id]


def test_waiting_for_anothers_task_answers_at_once(scene: Scene, task_id: int) -> None:
    params = {"seen": 1000, "wait": 60}
    assert scene.person("bob").get(f"/v1/tasks/{task_id}", params=params).status_code == 404


def test_sandbox_of_another_is_not_there(scene: Scene) -> None:
    content = an_archive(secret="1")
    url = f"/v1/sandboxes/{sha256(content)}"
    scene.person("alice").put(url, content=content)
    bob = scene.person("bob")
    assert bob.get(url).status_code == 404
    assert bob.head(url).status_code == 404
    assert scene.pilot().get(url).status_code == 404


def test_dataset_of_another_is_not_written(scene: Scene) -> None:
    alice, bob = scene.person("alice"), scene.person("bob")
    production = scene.person("carol", "production")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    new = {"name": "user.alice.d", "files": []}
    for caller in (bob, production):
        assert caller.post("/v1/datasets", json=new).status_code == 403
        put = caller.put("/v1/datasets/user.alice.d/files/f", content=b"x")
        assert put.status_code == 403
    assert bob.post("/v1/datasets", json={"name": "user.alice.e"}).status_code == 403
    assert bob.post("/v1/datasets", json={"name": "user.alicebob.e"}).status_code == 403
    assert bob.post("/v1/datasets", json={"name": "data.all"}).status_code == 403
    assert production.post("/v1/datasets", json={"name": "data.all"}).status_code == 201


def test_file_of_the_server_itself_is_not_given(scene: Scene) -> None:
    alice = scene.person("alice")
    key = next(scene.settings.keys_dir.glob("*.pem"))
    entry = {"lfn": "key", "url": key.as_uri(), "size_bytes": 1, "adler32": "00000001"}
    alice.post("/v1/datasets", json={"name": "user.alice.d", "files": [entry]})
    answer = alice.get("/v1/datasets/user.alice.d/files/key")
    assert (answer.status_code, b"PRIVATE" in answer.content) == (404, False)


@pytest.mark.parametrize("name", ["bob", "ALICE", "alice.", "alice/x", "pilot:1"])
def test_names_like_anothers_are_not_hers(scene: Scene, task_id: int, name: str) -> None:
    from culm.core.errors import InvalidRequest

    try:
        caller = scene.person(name)
    except InvalidRequest:
        return
    assert caller.get(f"/v1/tasks/{task_id}").status_code == 404
