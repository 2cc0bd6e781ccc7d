"""Searches and checkpoints over HTTP."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from culm.core.checksums import adler32
from tests.builders import run_stages
from tests.integration.tasks.scene import sql
from tests.integration.tasks.search_scene import SPACE
from tests.server_scene import Caller, Scene, told

WORK = {"request_key": "r", "n_jobs": 9, "core_count": 9, "memory_mb": 99_999, "disk_mb": 10**6}


def search_document(**terms: Any) -> dict[str, Any]:
    return {"name": "user.alice.search", "command": "evaluate", "search": {"space": SPACE} | terms}


def submitted(scene: Scene, **terms: Any) -> int:
    made = scene.person("alice").post("/v1/tasks", json=search_document(**terms))
    assert made.status_code == 201, made.text
    run_stages(scene.books)
    return int(made.json()["task_id"])


def work_of(pilot: Caller, key: str = "r") -> list[dict[str, Any]]:
    answer = pilot.post("/v1/pilots/me/work", json=WORK | {"request_key": key})
    assert answer.status_code == 200, answer.text
    jobs: list[dict[str, Any]] = answer.json()["jobs"]
    return jobs


def end(scene: Scene, pilot: Caller, job: dict[str, Any], state: str, **more: Any) -> None:
    outputs = [{"lfn": o["lfn"], "size_bytes": 1, "adler32": "00000001"} for o in job["outputs"]]
    for output in job["outputs"]:
        path = Path(output["url"].removeprefix("file://"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    report = {"job_id": job["job_id"], "attempt_nr": job["attempt_nr"], "report_nr": 1,
              "state": state, "outputs": outputs if state == "finished" else []} | more  # fmt: skip
    answer = pilot.post("/v1/pilots/me/reports", json={"reports": [report]})
    assert answer.status_code == 200, answer.text
    run_stages(scene.books)


def test_search_is_submitted_evaluated_and_shown(scene: Scene) -> None:
    task_id = submitted(scene, max_points=2, seed=3)
    pilot, alice = scene.pilot(), scene.person("alice")
    [job] = work_of(pilot)
    assert job["result_name"] == "culm_result.json"
    assert set(job["files"]) == {"culm_search.json", "culm_search_job.py"}
    end(scene, pilot, job, "finished", result='{"points": {"1": {"loss": 0.5}}}')
    shown = told(alice.get(f"/v1/tasks/{task_id}/search"))
    first, second = shown.pop("points")
    assert first == {
        "point_nr": 1, "segment": "", "status": "evaluated", "loss": 0.5, "n_tries": 1,
        "job_id": job["job_id"], "message": "", "evaluated_at": first["evaluated_at"],
        "parameters": json.loads(job["files"]["culm_search.json"])["points"][0]["parameters"],
    }  # fmt: skip
    assert (second["status"], second.get("loss")) == ("running", None)
    assert shown.pop("best") == [first]
    assert shown.pop("version") > 1
    assert shown == {
        "task_id": task_id, "name": "user.alice.search", "status": "running", "final": False,
        "reason": "", "sampler": "tpe", "seed": 3, "n_points": 2, "n_evaluated": 1,
        "most_points": 2, "n_jobs": 2, "most_jobs": 4, "n_rounds": 0,
    }  # fmt: skip


def test_search_of_another_or_of_no_search_is_not_shown(scene: Scene) -> None:
    task_id = submitted(scene)
    assert scene.person("bob").get(f"/v1/tasks/{task_id}/search").status_code == 404
    plain = {"name": "user.alice.plain", "command": "true"}
    other = scene.person("alice").post("/v1/tasks", json=plain).json()["task_id"]
    refused = scene.person("alice").get(f"/v1/tasks/{other}/search")
    assert (refused.status_code, refused.json()["code"]) == (409, "CULM-1005")


@pytest.mark.parametrize(
    ("changes", "field", "needed"),
    [
        ({"space": {}}, "search.space", "name at least one hyperparameter"),
        ({"space": {"x": {"method": "unifrom", "dimension": {}}}}, "search.space.x.method",
         "unknown; did you mean uniform?"),
        ({"samplr": "tpe"}, "search.samplr", "unknown; did you mean sampler?"),
        ({"sampler": "tpee"}, "search.sampler", "unknown; did you mean tpe?"),
        ({"max_points": 0}, "search.max_points", "must be from 1 to 100000"),
        ({"min_unevaluated_points": 2}, "search.min_unevaluated_points",
         "must be below n_points_per_iteration, 2: each round makes the difference"),
        ({"steering_command": "steer > %OUT"}, "search.steering_command",
         "must hold %NUM_POINTS: see %NUM_POINTS, %MAX_POINTS, %IN, %OUT"),
        ({"steering_container": "image"}, "search.steering_container",
         "needs a steering command to run in it"),
        ({"output_name": "input.json"}, "search.output_name", "each file needs a name of its own"),
        ({"checkpoint_paths": ["../x"]}, "search.checkpoint_paths[0]",
         "a path in the work directory, without .. and not absolute"),
        ({"checkpoint_paths": ["a/.."]}, "search.checkpoint_paths[0]",
         "a path in the work directory, without .. and not absolute"),
        ({"training_datasets": ["user.alice.no"]}, "search.training_datasets",
         "no such dataset (culm dataset list)"),
        ({"segments": [{"name": "a", "files": ["x"]}]}, "search.training_datasets",
         "segments need training data"),
        ({"metrics_name": "m.tgz"}, "outputs", "a search writes its metrics alone: m.tgz"),
    ],
)  # fmt: skip
def test_wrong_searches_are_refused_in_words(
    scene: Scene, changes: dict[str, Any], field: str, needed: str
) -> None:
    refused = scene.person("alice").post("/v1/tasks", json=search_document(**changes))
    assert (refused.status_code, refused.json()["code"]) == (422, "CULM-1001")
    found = {fault["field"]: fault["needed"] for fault in refused.json()["errors"]}
    assert found.get(field) == needed


def test_segment_s_file_that_is_not_there_is_named_with_the_nearest(scene: Scene) -> None:
    alice = scene.person("alice")
    file = {"lfn": "train_1.h5", "url": "https://x.example/1", "size_bytes": 5,
            "adler32": "0000000a"}  # fmt: skip
    alice.post("/v1/datasets", json={"name": "user.alice.train", "files": [file]})
    document = search_document(
        training_datasets=["user.alice.train"], segments=[{"name": "a", "files": ["train_2.h5"]}]
    )
    [fault] = alice.post("/v1/tasks", json=document).json()["errors"]
    assert fault == {
        "field": "search.segments.a.files", "value": "train_2.h5",
        "needed": "no such file in the training data; did you mean train_1.h5?",
    }  # fmt: skip


def saves(pilot: Caller, job: dict[str, Any], body: bytes, **headers: str) -> int:
    url = job["saved"][0]["url"]
    sums = {"X-Adler32": adler32([body])} | headers
    return int(pilot.put(url, content=body, headers=sums).status_code)


def test_checkpoint_goes_to_the_next_try_and_to_nobody_else(scene: Scene) -> None:
    submitted(scene, max_points=1, checkpoint_paths=["state"])
    pilot, other = scene.pilot(), scene.pilot()
    [job] = work_of(pilot)
    assert [saved["local_name"] for saved in job["saved"]] == ["culm_checkpoint.1.tgz"]
    assert job.get("inputs", []) == []
    url = job["saved"][0]["url"]
    assert pilot.get(url).status_code == 404
    assert saves(other, job, b"evil") == 404
    assert scene.person("alice").put(url, content=b"evil").status_code == 404
    assert saves(pilot, job, b"one", **{"X-Adler32": "00000001"}) == 422
    assert [saves(pilot, job, body) for body in (b"one", b"two", b"two")] == [201, 201, 201]
    kept = [path for path in scene.settings.checkpoint_dir.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [b"two"]
    end(scene, pilot, job, "failed", pilot_error_code=1305)
    assert saves(pilot, job, b"late") == 404
    [again] = work_of(other, "r2")
    [item] = again["inputs"]
    assert (item["lfn"], item["size_bytes"]) == ("culm_checkpoint.1.tgz", 3)
    assert other.get(item["urls"][0]).content == b"two"
    assert pilot.get(item["urls"][0]).status_code == 404


def test_checkpoint_over_its_limit_is_refused(scene: Scene) -> None:
    submitted(scene, max_points=1, checkpoint_paths=["state"])
    pilot = scene.pilot()
    [job] = work_of(pilot)
    length = str(200 * 1024 * 1024)
    assert saves(pilot, job, b"", **{"Content-Length": length}) == 413


def test_checkpoints_are_dropped_when_no_try_can_ask_for_them(scene: Scene) -> None:
    submitted(scene, max_points=1, checkpoint_paths=["state"])
    pilot = scene.pilot()
    [job] = work_of(pilot)
    saves(pilot, job, b"state")
    store = scene.app.state.parts.checkpoints
    [path] = [path for path in scene.settings.checkpoint_dir.rglob("1.*") if path.is_file()]
    os.utime(path, (0, 0))
    store.drop_old(scene.books)
    assert path.exists()
    end(scene, pilot, job, "finished", result='{"points": {"1": {"loss": 1}}}')
    store.drop_old(scene.books)
    assert not path.exists()
    assert not path.parent.exists()


def test_checkpoints_of_tasks_that_ended_long_ago_are_dropped(scene: Scene) -> None:
    task_id = submitted(scene, max_points=1, checkpoint_paths=["state"])
    pilot = scene.pilot()
    [job] = work_of(pilot)
    saves(pilot, job, b"state")
    [path] = [path for path in scene.settings.checkpoint_dir.rglob("1.*") if path.is_file()]
    os.utime(path, (0, 0))
    scene.person("alice").post(f"/v1/tasks/{task_id}/commands", json={"command": "kill"})
    end(scene, pilot, job, "failed", pilot_error_code=1305)
    run_stages(scene.books)
    store = scene.app.state.parts.checkpoints
    store.drop_old(scene.books)
    assert path.exists()
    sql(scene.books, "UPDATE task SET ended_at = '2020-01-01 00:00:00.000000'")
    store.drop_old(scene.books)
    assert not path.exists()
