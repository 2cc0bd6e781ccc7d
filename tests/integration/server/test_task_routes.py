"""Tasks over HTTP."""

from __future__ import annotations

import threading
import time

from culm.wire.codec import decode
from culm.wire.forecast import Forecast
from culm.wire.views import TaskView
from culm.wire.why import Why
from tests.builders import a_dataset, a_task, run_stages
from tests.server_scene import Scene, told

HELLO = {"name": "user.alice.hello", "command": "true", "n_jobs": 3}


def test_submitted_task_is_shown_to_its_owner(scene: Scene) -> None:
    alice = scene.person("alice")
    answer = alice.post("/v1/tasks", json=HELLO, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 201
    task_id = answer.json()["task_id"]
    assert answer.json() == {"task_id": task_id, "name": HELLO["name"], "status": "registered",
                             "created": True, "warnings": []}  # fmt: skip
    run_stages(scene.books)
    view = decode(TaskView, alice.get(f"/v1/tasks/{task_id}").json())
    assert (view.status, view.user, view.n_files, view.job_counts) == (
        "running", "alice", 3, {"activated": 3})  # fmt: skip
    assert alice.get(f"/v1/tasks/{task_id}/parameters").json()["command"] == "true"
    events = [e["event"] for e in alice.get(f"/v1/tasks/{task_id}/history").json()["entries"]]
    assert events[0] == "submitted"
    assert events[-1] == "jobs_generated"
    assert alice.get(f"/v1/tasks/{task_id}/decision").json()["ranking"][0]["queue"] == "LOCAL"


def test_check_tells_what_would_become_and_submits_nothing(scene: Scene) -> None:
    alice = scene.person("alice")
    answer = alice.post("/v1/tasks/check", json=HELLO)
    found = decode(Forecast, answer.json())
    assert (found.jobs.n_jobs, found.verdict) == (3, "taken")
    assert [(q.queue, q.n_jobs) for q in found.queues] == [("LOCAL", 3)]
    assert told(alice.get("/v1/tasks")) == {"tasks": []}
    other = scene.person("bob").post("/v1/tasks/check", json=HELLO)
    assert (other.status_code, other.json()["hint"]) == (403, "begin its name with user.bob.")


def test_same_key_gives_the_same_task(scene: Scene) -> None:
    alice = scene.person("alice")
    first = alice.post("/v1/tasks", json=HELLO, headers={"Idempotency-Key": "k1"})
    again = alice.post("/v1/tasks", json=HELLO, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["task_id"] == first.json()["task_id"]
    assert again.json()["created"] is False
    other = alice.post("/v1/tasks", json=HELLO | {"n_jobs": 4}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "CULM-1007")


def test_every_fault_of_a_task_is_named(scene: Scene) -> None:
    bad = {"name": "user.alice.x", "comand": "true", "n_jobs": -1, "outputs": ["a/b"]}
    answer = scene.person("alice").post("/v1/tasks", json=bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "CULM-1001")
    found = {fault["field"]: fault["needed"] for fault in answer.json()["errors"]}
    assert found.keys() == {"comand", "command", "n_jobs", "outputs[0]"}
    assert found["comand"] == "unknown; did you mean command?"
    assert told(scene.person("alice").get("/v1/tasks")) == {"tasks": []}


def test_task_name_of_another_user_is_refused(scene: Scene) -> None:
    answer = scene.person("bob").post("/v1/tasks", json=HELLO)
    assert (answer.status_code, answer.json()["hint"]) == (403, "begin its name with user.bob.")
    production = scene.person("carol", "production")
    assert production.post("/v1/tasks", json=HELLO | {"name": "mc26.reco"}).status_code == 201


def test_lists_come_in_pages_newest_first(scene: Scene) -> None:
    alice = scene.person("alice")
    ids = [alice.post("/v1/tasks", json=HELLO | {"name": f"user.alice.t{n}"}).json()["task_id"]
           for n in range(5)]  # fmt: skip
    first = alice.get("/v1/tasks", params={"limit": 2}).json()
    assert [task["task_id"] for task in first["tasks"]] == [ids[4], ids[3]]
    rest = told(alice.get("/v1/tasks", params={"before": first["next"]}))
    assert [task["task_id"] for task in rest["tasks"]] == [ids[2], ids[1], ids[0]]
    assert "next" not in rest
    some = told(alice.get("/v1/tasks", params={"name": "user.*.t[1]"}))
    assert some == {"tasks": []}  # brackets are no pattern
    some = told(alice.get("/v1/tasks", params={"name": "user.alice.T?"}))
    assert some == {"tasks": []}  # case counts
    some = alice.get("/v1/tasks", params={"name": "user.*.t?", "status": "registered,done"})
    assert len(some.json()["tasks"]) == 5
    wrong = alice.get("/v1/tasks", params={"status": "runing"})
    assert wrong.json()["errors"][0]["needed"] == "unknown; did you mean running?"


def test_jobs_are_listed_and_shown(scene: Scene) -> None:
    alice = scene.person("alice")
    data = a_dataset(scene.books, 3)
    spec = {"name": "user.alice.in", "command": "cat %IN > out", "outputs": ["out"],
            "inputs": [{"datasets": [data]}], "n_files_per_job": 1}  # fmt: skip
    task_id = alice.post("/v1/tasks", json=spec).json()["task_id"]
    run_stages(scene.books)
    page = alice.get(f"/v1/tasks/{task_id}/jobs", params={"limit": 2}).json()
    rest = alice.get(f"/v1/tasks/{task_id}/jobs", params={"after": page["next"]}).json()
    jobs = page["jobs"] + rest["jobs"]
    assert [job["status"] for job in jobs] == ["activated"] * 3
    shown = alice.get(f"/v1/jobs/{jobs[0]['job_id']}").json()
    assert shown["command"] == "cat f000000.dat > out"
    assert [(f["lfn"], f["kind"]) for f in shown["files"]] == [
        ("f000000.dat", "input"),
        (f"user.alice.{task_id}._000001.out", "output"),
        (f"user.alice.in.log.{task_id}.000001.log.tgz", "log"),
    ]
    history = alice.get(f"/v1/jobs/{jobs[0]['job_id']}/history").json()
    assert isinstance(history["entries"], list)


def test_watching_a_task_waits_for_its_next_version(scene: Scene) -> None:
    alice = scene.person("alice")
    task_id = alice.post("/v1/tasks", json=HELLO).json()["task_id"]
    seen = alice.get(f"/v1/tasks/{task_id}").json()["version"]
    started = time.monotonic()
    same = alice.get(f"/v1/tasks/{task_id}", params={"seen": seen, "wait": 0.3}).json()
    assert same["version"] == seen
    assert time.monotonic() - started >= 0.3
    timer = threading.Timer(0.2, run_stages, (scene.books, "refine"))
    timer.start()
    newer = alice.get(f"/v1/tasks/{task_id}", params={"seen": seen, "wait": 20}).json()
    timer.join()
    assert newer["version"] > seen
    assert time.monotonic() - started < 15


def test_commands_answer_whether_they_apply(scene: Scene) -> None:
    alice = scene.person("alice")
    task_id = alice.post("/v1/tasks", json=HELLO).json()["task_id"]
    url = f"/v1/tasks/{task_id}/commands"
    wrong = alice.post(url, json={"command": "retry"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "CULM-1005")
    unknown = alice.post(url, json={"command": "kil"})
    assert unknown.json()["errors"][0]["needed"] == "unknown; did you mean kill?"
    killed = alice.post(url, json={"command": "kill"})
    assert (killed.status_code, killed.json()["code"]) == (200, 0)
    run_stages(scene.books)
    assert alice.get(f"/v1/tasks/{task_id}").json()["status"] == "aborted"


def test_one_job_is_killed(scene: Scene) -> None:
    alice = scene.person("alice")
    task_id = alice.post("/v1/tasks", json=HELLO).json()["task_id"]
    run_stages(scene.books)
    job_id = alice.get(f"/v1/tasks/{task_id}/jobs").json()["jobs"][0]["job_id"]
    killed = alice.post(f"/v1/jobs/{job_id}/commands", json={"command": "kill"})
    assert (killed.status_code, killed.json()["task_id"]) == (200, task_id)
    assert alice.get(f"/v1/jobs/{job_id}").json()["status"] == "cancelled"
    again = alice.post(f"/v1/jobs/{job_id}/commands", json={"command": "kill"})
    assert again.status_code == 409


def test_why_is_told_to_the_owner(scene: Scene) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    root.put("/v1/queues/LOCAL", json={"site": "LOCAL", "settings": {"max_memory_mb": 1000}})
    task_id = a_task(scene.books, memory_mb=8000)
    run_stages(scene.books)
    why = decode(Why, alice.get(f"/v1/tasks/{task_id}/why?queues=true").json())
    assert (why.verdict, why.rules[0].rule, why.queues[0].queue) == ("never", "memory", "LOCAL")
    assert alice.get(f"/v1/tasks/{task_id}/why").json()["queues"] == []
    root.put("/v1/queues/LOCAL", json={"site": "LOCAL", "settings": {}})
    run_stages(scene.books)
    [job] = alice.get(f"/v1/tasks/{task_id}/jobs").json()["jobs"]
    found = decode(Why, alice.get(f"/v1/jobs/{job['job_id']}/why").json())
    assert (found.noun, found.task_id, found.verdict) == ("job", task_id, "not yet")
    bob = scene.person("bob")
    assert bob.get(f"/v1/jobs/{job['job_id']}/why").status_code == 404
