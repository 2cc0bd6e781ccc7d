"""Requests to running jobs over HTTP: asked, told to the pilot, answered, shown."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from culm.wire.job_requests import MAX_ANSWER
from tests.builders import a_task, run_stages
from tests.integration.server.test_search_routes import end, work_of
from tests.server_scene import Caller, Scene, told

TAIL = {"kind": "tail", "path": "payload.stdout", "n_lines": 5}


@pytest.fixture
def job(scene: Scene) -> tuple[Caller, dict[str, Any]]:
    """A pilot, and the job of alice's that it has."""
    a_task(scene.books, user="alice")
    run_stages(scene.books)
    pilot = scene.pilot()
    [found] = work_of(pilot)
    return pilot, found


def heartbeat(pilot: Caller, job: dict[str, Any], nr: int = 1) -> dict[str, Any]:
    report = {"job_id": job["job_id"], "attempt_nr": 1, "report_nr": nr, "state": "running"}
    answer = pilot.post("/v1/pilots/me/reports", json={"reports": [report]})
    found: dict[str, Any] = told(answer)["answers"][0]
    return found


def test_request_goes_to_the_pilot_until_it_is_answered(scene: Scene, job: Any) -> None:
    pilot, spec = job
    alice, url = scene.person("alice"), f"/v1/jobs/{spec['job_id']}/requests"
    made = alice.post(url, json=TAIL)
    assert made.status_code == 201
    number = made.json()["request_id"]
    for nr in (1, 2):
        [request] = heartbeat(pilot, spec, nr)["requests"]
        assert request == {"request_id": number, **TAIL}
    answer = {"is_good": True, "text": "line\n\x1b[31m"}
    assert pilot.put(f"{url}/{number}/answer", json=answer).status_code == 204
    assert heartbeat(pilot, spec, 3)["requests"] == []
    pilot.put(f"{url}/{number}/answer", json={"is_good": False, "text": "later"})
    shown = told(alice.get(f"{url}/{number}"))
    assert (shown["is_good"], shown["answer"], shown["asked_by"]) == (
        True, "line\n\x1b[31m", "alice",
    )  # fmt: skip


def test_who_waits_for_an_answer_gets_it_when_it_comes(scene: Scene, job: Any) -> None:
    pilot, spec = job
    alice, url = scene.person("alice"), f"/v1/jobs/{spec['job_id']}/requests"
    number = alice.post(url, json={"kind": "ps"}).json()["request_id"]
    later = threading.Timer(
        0.2, lambda: pilot.put(f"{url}/{number}/answer", json={"is_good": True, "text": "x"})
    )
    later.start()
    shown = alice.get(f"{url}/{number}", params={"wait": 30}).json()
    assert shown["answer"] == "x"
    assert alice.get(f"{url}/{number}", params={"wait": 0}).json() == shown


def test_who_waits_is_let_go_when_the_job_ends(scene: Scene, job: Any) -> None:
    pilot, spec = job
    alice, url = scene.person("alice"), f"/v1/jobs/{spec['job_id']}/requests"
    number = alice.post(url, json={"kind": "ls"}).json()["request_id"]
    end(scene, pilot, spec, "finished")
    shown = told(alice.get(f"{url}/{number}", params={"wait": 30}))
    assert (shown["job_status"], "answered_at" in shown) == ("finished", False)
    refused = alice.post(url, json=TAIL)
    assert (refused.status_code, "only a job that runs can be asked" in refused.text) == (409, True)


def test_owner_and_production_may_ask_and_nobody_else(scene: Scene, job: Any) -> None:
    pilot, spec = job
    url = f"/v1/jobs/{spec['job_id']}/requests"
    number = scene.person("carol", "production").post(url, json=TAIL).json()["request_id"]
    bob = scene.person("bob")
    assert bob.post(url, json=TAIL).status_code == 404
    assert bob.get(f"{url}/{number}").status_code == 404
    answer = {"is_good": True, "text": "false"}
    for caller in (scene.person("alice"), bob, scene.pilot()):
        assert caller.put(f"{url}/{number}/answer", json=answer).status_code == 404
    assert pilot.post(url, json=TAIL).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [({"kind": "rm"}, "kind"), ({"kind": "tail", "n_lines": 0}, "n_lines"),
     ({"kind": "tail", "path": "a\x00b"}, "path"), ({"kind": "ls", "path": "x" * 2000}, "path"),
     ({"path": "x"}, "kind")],
)  # fmt: skip
def test_wrong_request_is_named(scene: Scene, job: Any, body: Any, field: str) -> None:
    answer = scene.person("alice").post(f"/v1/jobs/{job[1]['job_id']}/requests", json=body)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_answer_that_is_too_long_is_refused(scene: Scene, job: Any) -> None:
    pilot, spec = job
    url = f"/v1/jobs/{spec['job_id']}/requests"
    number = scene.person("alice").post(url, json=TAIL).json()["request_id"]
    answer = {"is_good": True, "text": "x" * (MAX_ANSWER + 1)}
    assert pilot.put(f"{url}/{number}/answer", json=answer).status_code == 422


def test_too_many_requests_wait(scene: Scene, job: Any) -> None:
    url = f"/v1/jobs/{job[1]['job_id']}/requests"
    alice = scene.person("alice")
    codes = [alice.post(url, json=TAIL).status_code for _ in range(21)]
    assert codes == [201] * 20 + [429]


def test_job_that_waits_cannot_be_asked(scene: Scene) -> None:
    a_task(scene.books, user="alice")
    run_stages(scene.books)
    alice = scene.person("alice")
    [found] = alice.get("/v1/tasks?user=me").json()["tasks"]
    number = alice.get(f"/v1/tasks/{found['task_id']}/jobs").json()["jobs"][0]["job_id"]
    assert alice.post(f"/v1/jobs/{number}/requests", json=TAIL).status_code == 409
    assert alice.get(f"/v1/jobs/{number}/requests/1").status_code == 404
    assert alice.post("/v1/jobs/99999/requests", json=TAIL).status_code == 404
