"""Lost output, produced again, and the metadata that jobs left; over HTTP, on real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_dataset, a_task, run_stages
from tests.integration.server.test_search_routes import end, work_of
from tests.integration.tasks.scene import rows
from tests.server_scene import Caller, Scene, told


def outputs(scene: Scene, dataset: str) -> dict[str, Path]:
    found = scene.person("alice").get(f"/v1/datasets/{dataset}/files").json()["files"]
    return {f["lfn"]: scene.settings.storage_dir / dataset / f["lfn"] for f in found}


def run_all(scene: Scene, pilot: Caller, key: str) -> list[dict[str, Any]]:
    """Run what there is to run until nothing is left; the jobs."""
    done: list[dict[str, Any]] = []
    for number in range(6):
        run_stages(scene.books)
        jobs = work_of(pilot, f"{key}{number}")
        for job in jobs:
            end(scene, pilot, job, "finished")
        done += jobs
    return done


def a_done_task(scene: Scene, **changes: Any) -> tuple[int, str, Caller]:
    """A task of three inputs that is done: its id, its output's dataset, a pilot."""
    data = a_dataset(scene.books, 3)
    values = {"inputs": [{"datasets": [data]}], "command": "cat %IN > %OUT", "outputs": ["o", "p"],
              "n_files_per_job": 1, "skip_scouts": True}  # fmt: skip
    task_id = a_task(scene.books, user="alice", **(values | changes))
    pilot = scene.pilot()
    run_all(scene, pilot, "first")
    alice = scene.person("alice")
    shown = alice.get(f"/v1/tasks/{task_id}").json()
    assert shown["status"] == "done"
    return task_id, f"{shown['name']}_o", pilot


def recovery(scene: Scene, task_id: int, **wanted: Any) -> Any:
    return scene.person("alice").post(f"/v1/tasks/{task_id}/recovery", json=wanted)


def everything(scene: Scene) -> list[Any]:
    tables = ("task", "file", "dataset", "job_file", "catalog_dataset", "catalog_file", "replica")
    return [sorted(map(str, rows(scene.books, f"SELECT * FROM {table}"))) for table in tables]


def test_lost_file_is_produced_again_with_its_jobs_other_output(scene: Scene) -> None:
    task_id, dataset, pilot = a_done_task(scene)
    before = outputs(scene, dataset)
    lost, path = sorted(before.items())[0]
    path.unlink()
    before_rows = everything(scene)
    dry = told(recovery(scene, task_id, dry_run=True))
    assert everything(scene) == before_rows
    answer = told(recovery(scene, task_id))
    assert answer | {"dry_run": True} == dry
    assert [file["lfn"] for file in answer["lost"]] == [lost]
    assert [file["dataset"] for file in answer["also_replaced"]] == [dataset[:-2] + "_p"]
    assert (answer["n_checked"], answer["n_jobs"], answer["n_inputs"]) == (6, 1, 1)
    assert len(outputs(scene, dataset)) == 2
    again = run_all(scene, pilot, "second")
    assert len(again) == 1
    after = outputs(scene, dataset)
    assert len(after) == 3
    assert lost not in after
    assert scene.person("alice").get(f"/v1/tasks/{task_id}").json()["status"] == "done"
    shown = scene.person("alice").get(f"/v1/datasets/{dataset}").json()
    assert (shown["n_files"], shown["task_id"]) == (3, task_id)


def test_lost_merged_file_is_made_of_new_output(scene: Scene) -> None:
    task_id, dataset, pilot = a_done_task(scene, merge_output=True, n_files_per_merge_job=2)
    merged = outputs(scene, dataset)
    assert len(merged) == 2
    lost, path = sorted(merged.items())[0]
    path.unlink()
    answer = told(recovery(scene, task_id, dataset=dataset))
    assert [file["lfn"] for file in answer["lost"]] == [lost]
    n_runs = answer["n_inputs"]
    assert n_runs in (1, 2)
    assert answer["n_jobs"] == n_runs + 1
    kinds = [job["kind"] for job in run_all(scene, pilot, "second")]
    assert kinds.count("run") == n_runs
    assert "merge" in kinds
    assert lost not in outputs(scene, dataset)
    assert scene.person("alice").get(f"/v1/tasks/{task_id}").json()["status"] == "done"


def test_nothing_lost_changes_nothing(scene: Scene) -> None:
    task_id, _, _ = a_done_task(scene)
    before = everything(scene)
    answer = told(recovery(scene, task_id))
    assert (answer["lost"], answer["n_checked"], answer["n_jobs"]) == ([], 6, 0)
    assert everything(scene) == before


def test_file_that_is_named_is_taken_for_lost(scene: Scene) -> None:
    task_id, dataset, pilot = a_done_task(scene)
    name = min(outputs(scene, dataset))
    answer = told(recovery(scene, task_id, files=[name]))
    assert [file["lfn"] for file in answer["lost"]] == [name]
    second = recovery(scene, task_id, files=[name])
    assert second.status_code == 409
    assert len(run_all(scene, pilot, "second")) == 1
    gone = recovery(scene, task_id, files=[name])
    assert (gone.status_code, "an output of task" in gone.text) == (422, True)


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [({"files": ["nobody.has"]}, 422, "an output of task"),
     ({"dataset": "user.alice.nothing"}, 422, "one that task"),
     ({"files": ["a/b"]}, 422, "no slash"), ({"dry": True}, 422, "dry_run")],
)  # fmt: skip
def test_what_is_not_its_output_is_named(
    scene: Scene, wanted: dict[str, Any], status: int, words: str
) -> None:
    task_id, _, _ = a_done_task(scene)
    answer = recovery(scene, task_id, **wanted)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_task_that_runs_or_is_anothers_is_not_recovered(scene: Scene) -> None:
    task_id = a_task(scene.books, user="alice")
    run_stages(scene.books)
    refused = recovery(scene, task_id, dry_run=True)
    assert (refused.status_code, "recovery needs one of" in refused.text) == (409, True)
    stranger = scene.person("bob").post(f"/v1/tasks/{task_id}/recovery", json={})
    assert stranger.status_code == 404


def test_metadata_of_jobs_is_read_back_in_pages(scene: Scene) -> None:
    task_id = a_task(scene.books, user="alice", n_jobs=3, skip_scouts=True)
    run_stages(scene.books)
    pilot = scene.pilot()
    jobs = work_of(pilot)
    for number, job in enumerate(jobs):
        more = {"user_metadata": f'{{"n": {number}}}'} if number else {}
        end(scene, pilot, job, "finished", **more)
    alice, url = scene.person("alice"), f"/v1/tasks/{task_id}/metadata"
    first = alice.get(url, params={"limit": 1}).json()
    rest = alice.get(url, params={"after": first["next"]}).json()
    found = [*first["jobs"], *rest["jobs"]]
    assert [one["metadata"] for one in found] == [{"n": 1}, {"n": 2}]
    assert [one["job_id"] for one in found] == [job["job_id"] for job in jobs[1:]]
    assert rest["next"] is None
    assert scene.person("bob").get(url).status_code == 404
