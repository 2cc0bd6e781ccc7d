"""PanDA's harvesters by their requests: what they tell is kept, and they hear what is wanted."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.server_scene import Caller, Scene, a_token

WORKER = {"workerID": 7, "batchID": "b1", "computingSite": "LOCAL", "status": "running",
          "nCore": 1, "resourceType": "SCORE", "jobType": "managed", "nJobs": 1}  # fmt: skip


def call(caller: Caller, path: str, **fields: Any) -> dict[str, Any]:
    """A call as a harvester makes it: gzipped JSON that does not say so."""
    body = gzip.compress(json.dumps({"harvester_id": "h1"} | fields).encode())
    answer = caller.post(f"/api/v1/{path}", content=body, headers={"Origin": "culm"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shown(scene: Scene) -> dict[str, Any]:
    [found] = scene.person("alice").get("/v1/harvesters").json()["harvesters"]
    return dict(found)


def test_what_a_harvester_tells_is_kept_and_shown(scene: Scene) -> None:
    site = scene.provisioner("LOCAL")
    assert call(site, "harvester/heartbeat", data={"sw_version": "0.6"})["success"]
    workers = [WORKER, WORKER | {"workerID": 8}, WORKER | {"workerID": 9, "computingSite": "X"}]
    told = call(site, "harvester/update_workers", workers=workers)
    assert told["data"] == [True, True, False]
    call(site, "harvester/update_workers", workers=[WORKER | {"status": "finished"}])
    dialog = {
        "diagID": 1, "moduleName": "submitter", "messageLevel": "ERROR",
        "creationTime": "2026-11-24 20:00:00", "diagMessage": "the batch system is down",
    }  # fmt: skip
    assert call(site, "harvester/add_dialogs", dialogs=[dialog])["success"]
    assert call(site, "harvester/update_service_metrics", metrics=[["t", "host", "{}"]])["success"]
    found = shown(scene)
    assert (found["name"], found["owner"]) == ("h1", "provisioner")
    assert found["worker_counts"] == {"finished": 1, "running": 1}
    assert found["messages"] == ["ERROR: 2026-11-24 20:00:00 submitter the batch system is down"]
    last = site.get("/api/v1/harvester/get_current_worker_id?harvester_id=h1").json()
    assert last["data"] == 8
    none = site.get("/api/v1/harvester/get_current_worker_id?harvester_id=new").json()
    assert none["data"] == 0


def test_numbers_of_workers_come_back_by_queue(scene: Scene) -> None:
    site = scene.provisioner("LOCAL")
    counts = {"ANY": {"SCORE": {"running": 2, "submitted": 1}}}
    said = call(site, "harvester/report_worker_statistics", panda_queue="LOCAL",
                statistics=json.dumps(counts))  # fmt: skip
    assert said["success"], said
    found = site.get("/api/v1/harvester/get_worker_statistics").json()
    assert found["data"] == {"LOCAL": {"h1": counts}}


def test_wanted_workers_are_told_to_one_alone(scene: Scene) -> None:
    with scene.books.write() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO worker_target (queue_id, resource_type, n_workers, core_count, memory_mb,"
            " at) SELECT id, 'SCORE', 3, 1, 2000, CURRENT_TIMESTAMP FROM queue WHERE name = 'LOCAL'"
        )
    other = call(scene.provisioner("OTHER"), "harvester/acquire_commands", harvester_id="h2",
                 n_commands=10)  # fmt: skip
    assert other["data"] == []
    site = scene.provisioner("LOCAL")
    [command] = call(site, "harvester/acquire_commands", n_commands=10)["data"]
    assert command["command"] == "SET_N_WORKERS_JOBTYPE:LOCAL"
    assert command["params"] == {"ANY": {"SCORE": 3}}
    assert call(site, "harvester/acquire_commands", n_commands=10)["data"] == []
    ids = [command["command_id"]]
    assert call(site, "harvester/acknowledge_commands", command_ids=ids)["success"]


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("harvester/heartbeat", {"harvester_id": ""}, "harvester_id: nothing - text"),
        ("harvester/heartbeat", {"harvester_id": "x" * 51}, "at most 50 characters"),
        ("harvester/heartbeat", {"data": 3}, "an object"),
        ("harvester/update_workers", {"workers": "odd"}, "a list of at most 10000 objects"),
        ("harvester/update_workers", {"workers": [{"workerID": -1}]}, "a whole number"),
        ("harvester/update_workers", {"workers": [{"workerID": 1}]}, "computingSite and a status"),
        ("harvester/report_worker_statistics", {"panda_queue": "X", "statistics": "{}"},
         "this token gets no jobs of queue X"),
        ("harvester/report_worker_statistics", {"panda_queue": "LOCAL", "statistics": "["}, "JSON"),
        ("harvester/update_service_metrics", {"metrics": {}}, "a list of"),
        ("harvester/acknowledge_commands", {"command_ids": ["a"]}, "a whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_so(
    scene: Scene, path: str, fields: dict[str, Any], words: str
) -> None:
    answer = call(scene.provisioner("LOCAL"), path, **fields)
    assert answer["success"] is False
    assert words in answer["message"]


def test_name_of_an_instance_is_its_first_owners(scene: Scene) -> None:
    call(scene.provisioner("LOCAL"), "harvester/heartbeat")
    stranger = scene.bearer(a_token(scene.settings, "stranger", "pilot", queues=("*",)))
    answer = call(stranger, "harvester/add_dialogs", dialogs=[])
    assert (answer["success"], answer["message"]) == (
        False, "harvester h1 belongs to another token")  # fmt: skip


def test_resource_types_are_those_of_the_books(scene: Scene) -> None:
    found = scene.provisioner("LOCAL").get("/api/v1/metaconfig/get_resource_types").json()["data"]
    assert [t["resource_name"] for t in found] == ["MCORE", "MCORE_HIMEM", "SCORE", "SCORE_HIMEM"]
    assert found[2] == {"resource_name": "SCORE", "mincore": 1, "maxcore": 1, "minrampercore": 0,
                        "maxrampercore": 2000}  # fmt: skip


@pytest.mark.parametrize("name", ["get_proxy", "get_token_key", "get_key_pair"])
def test_there_are_no_proxies_and_keys(scene: Scene, name: str) -> None:
    answer = scene.provisioner("LOCAL").get(f"/api/v1/creds/{name}").json()
    assert (answer["success"], answer["message"]) == (
        False, "this server hands out no proxies and keys: use a token")  # fmt: skip
