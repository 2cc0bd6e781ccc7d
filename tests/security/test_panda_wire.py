"""Bad requests on PanDA's wire: the words that its client shows, and nobody let in."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from server.panda import bodies
from tests.builders import a_task, run_stages, task_row
from tests.server_scene import Caller, Scene, a_token, an_archive
from tests.unit.server.test_panda_parameters import sample

SUBMIT, LIST = "/api/v1/task/submit", "/api/v1/task/get_tasks_detailed_info_since"
UPLOAD, VALIDATE = (
    "/api/v1/file_server/upload_cache_file",
    "/api/v1/file_server/validate_cache_file",
)
RELAY = "/server/panda/relay_idds_command"


def parameters(name: str = "user.alice.hello", **changes: Any) -> dict[str, Any]:
    """A task of prun without a sandbox."""
    text = json.dumps(sample(10000001)).replace("user.alice.hello.1", name)
    found: dict[str, Any] = json.loads(text)
    kept = [i for i in found["jobParameters"] if not str(i["value"]).startswith("-a ")]
    return found | {"site": None, "jobParameters": kept} | changes


def submit(caller: Caller, **changes: Any) -> dict[str, Any]:
    body = {"task_parameters": parameters(**changes), "parent_tid": None}
    answer = caller.post(SUBMIT, json=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


ODD_BODIES = {
    "cut": (b'{"task_id": 1', 422, "request is not valid JSON"),
    "list": (b"[1, 2]", 422, "a JSON object with the call's fields"),
    "bytes": (b"\xff\xfe\x00", 422, "JSON, or a form"),
    "gzip cut": (gzip.compress(b'{"task_id": 1}')[:-9], 422, "its end is missing"),
    "gzip harmed": (b"\x1f\x8b" + b"\x00" * 20, 422, "whole and unharmed"),
    "deep": (gzip.compress(b"[" * 100_000), 422, "not valid JSON"),
    "long form": (b"a=1&" * 2000, 422, "JSON, or a form"),
    "word": (b'{"task_id": "many"}', 200, "task_id: 'many' - a whole number"),
    "null": (b'{"task_id": null}', 200, "task_id: nothing - a whole number"),
    "nothing": (b"", 200, "task_id: nothing"),
    "no field": (b"{}", 200, "task_id: nothing"),
}


@pytest.mark.parametrize(("body", "status", "said"), ODD_BODIES.values(), ids=ODD_BODIES)
def test_odd_body_is_refused_in_words(scene: Scene, body: bytes, status: int, said: str) -> None:
    answer = scene.person("alice").post("/api/v1/task/kill", content=body)
    assert (answer.status_code, answer.json()["success"]) == (status, False), answer.text
    assert said in answer.json()["message"]


def test_body_that_unpacks_to_too_much_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_UNPACKED", 1 << 16)
    bomb = gzip.compress(b" " * (1 << 20))
    answer = scene.person("alice").post("/api/v1/task/kill", content=bomb)
    assert (answer.status_code, answer.json()["code"]) == (413, "CULM-1006")
    huge = scene.person("alice").post("/api/v1/task/kill", content=b" " * (17 << 20))
    assert (huge.status_code, huge.json()["success"]) == (413, False)


def test_gzip_says_nothing_of_itself(scene: Scene) -> None:
    """Trap (d): the client gzips without Content-Encoding, and without Content-Type."""
    body = gzip.compress(json.dumps({"command_name": "get_status", "args": "[7]"}).encode())
    answer = scene.person("alice").post(RELAY, content=body)
    assert answer.json() == [False, "no workflow 7 of yours"]


@pytest.mark.parametrize(("form", "said"), [
    ("command_name=ping", "there is no iDDS here; of its commands: unknown; known are abort"),
    ("command_name=abort", "request_id: nothing - the number of a workflow"),
    ("command_name=abort&kwargs=x", "kwargs is not right"),
    ("command_name=abort&kwargs=[1]", "JSON of a dict"),
    ("command_name=abort&kwargs=%7B%22request_id%22%3A%221%22%7D", "request_id: '1' - the number"),
    ("", "command_name: nothing - text"),
])  # fmt: skip
def test_odd_command_to_idds_is_refused_in_words(scene: Scene, form: str, said: str) -> None:
    for path in (RELAY, "/server/panda/execute_idds_workflow_command"):
        done, words = scene.person("alice").post(path, content=form).json()
        assert done is False
        assert said in words


@pytest.mark.parametrize("path", [LIST, RELAY, "/cache/a.tar.gz", "/server/panda/nothing",
                                  "/api/v1/nothing"])  # fmt: skip
def test_bad_token_is_said_where_the_client_shows_it(scene: Scene, path: str) -> None:
    old = a_token(scene.settings, "alice", "user", lifetime=timedelta(seconds=-1))
    forged = a_token(scene.settings, "alice", "user")[:-4] + "AAAA"
    for token, said in (
        (old, "the token has expired (get a new token)"),
        (forged, "the token is not good"),
        ("x.y.z", "is not one of ours"),
    ):
        headers = {"Authorization": f"Bearer {token}", "Origin": "atlas"}
        answer = scene.client.get(path, headers=headers)
        # Any status but 200: the client prints the body.
        assert (answer.status_code, answer.json()["success"]) == (401, False), answer.text
        assert said in answer.json()["message"], answer.text
        assert token not in answer.text


def test_path_that_is_not_there_is_said_so(scene: Scene) -> None:
    answer = scene.person("alice").get("/api/v1/task/get_everything")
    assert answer.status_code == 404
    assert answer.json()["message"] == "no such path: /api/v1/task/get_everything (see /docs)"


READS = ["get_status", "get_task_parameters", "get_details", "get_job_ids", "get_job_descriptions",
         "get_datasets_and_files", "get_parent_detailed_info"]  # fmt: skip
COMMANDS = ["kill", "finish", "retry", "pause", "resume", "release", "avalanche", "reactivate",
            "reassign", "reload_input", "increase_attempts"]  # fmt: skip


def test_task_of_another_is_not_there(scene: Scene) -> None:
    task_id = a_task(scene.books, user="alice", n_jobs=2)
    run_stages(scene.books)
    bob = scene.person("bob", "user", "production")
    said = f"no task {task_id} of yours"
    for name in READS:
        answer = bob.get(f"/api/v1/task/{name}?task_id={task_id}")
        assert (answer.status_code, answer.json()["message"]) == (404, said), name
    assert bob.get(f"/api/v1/task/get_detailed_info?task_id={task_id}").json()["message"] == said
    for name in COMMANDS:
        answer = bob.post(f"/api/v1/task/{name}", json={"task_id": task_id})
        assert answer.status_code == 200
        assert (answer.json()["success"], answer.json()["data"]) == (False, 2), name
        assert answer.json()["message"] == said
    changes = {"task_id": task_id, "new_parameters": {"nFilesPerJob": 2}}
    assert bob.post("/api/v1/task/retry", json=changes).json()["data"] == 2
    assert task_row(scene.books, task_id).status == "running"


def test_jobs_of_another_are_not_there(scene: Scene) -> None:
    task_id = a_task(scene.books, user="alice", n_jobs=2)
    run_stages(scene.books)
    alice, bob = scene.person("alice"), scene.person("bob")
    ids = alice.get(f"/api/v1/task/get_job_ids?task_id={task_id}").json()["data"]
    for name in ("get_description", "get_description_incl_archive"):
        answer = bob.post(f"/api/v1/job/{name}", json={"job_ids": [*ids, 9]})
        assert answer.json()["data"] == [None, None, None]
    killed = bob.post("/api/v1/job/kill", json={"job_ids": ids}).json()["data"]
    assert killed == [[False, f"no job {number} of yours"] for number in ids]
    [first, _] = alice.post("/api/v1/job/get_description", json={"job_ids": ids}).json()["data"]
    assert (first["jobStatus"], first["commandToPilot"]) == ("activated", None)


def test_job_that_does_not_run_has_no_debug_mode(scene: Scene) -> None:
    a_task(scene.books, user="alice", n_jobs=1)
    run_stages(scene.books)
    path, body = "/api/v1/job/set_debug_mode", {"job_id": 1, "mode": True}
    said = scene.person("alice").post(path, json=body)
    assert (said.status_code, said.json()["message"]) == (
        409, "job 1 is activated: only a job that runs can be asked")  # fmt: skip
    assert scene.person("bob").post(path, json=body).json()["message"] == "no job 1 of yours"


def test_list_holds_the_own_tasks_alone(scene: Scene) -> None:
    number = a_task(scene.books, user="alice")
    a_task(scene.books, user="bob")
    alice = scene.person("alice")
    for query in ("", "?filters={}", '?filters={"userName": "Alice"}', "?since=None&n_tasks=5"):
        found = alice.get(LIST + query).json()["data"]
        assert [row["jediTaskID"] for row in found] == [number], query
    assert alice.get(LIST + '?filters={"userName": "bob"}').json()["data"] == []
    root = scene.person("root", "admin").get(LIST + '?filters={"userName": "bob"}').json()["data"]
    assert [row["userName"] for row in root] == ["bob"]


@pytest.mark.parametrize(("query", "said"), [
    ('filters={"taskNam": "x"}', "filters.taskNam: 'x' - unknown; did you mean taskName?"),
    ('filters={"jediTaskID": "abc"}', "filters: 'abc' - a task's number"),
    ("filters={", "filters: '{' - JSON: "),
    ("filters=[1]", "filters: [1] - an object"),
    ("since=yesterday", "since: 'yesterday' - a time in UTC: YYYY-MM-DD HH:MM:SS"),
    ("n_tasks=all", "n_tasks: 'all' - a whole number"),
])  # fmt: skip
def test_bad_filter_is_said_where_the_client_shows_it(scene: Scene, query: str, said: str) -> None:
    answer = scene.person("alice").get(f"{LIST}?{query}")
    assert answer.status_code == 422
    assert said in answer.json()["message"]


def test_name_of_another_is_not_taken(scene: Scene) -> None:
    said = submit(scene.person("bob"))
    assert (said["success"], said["data"]) == (False, 10)
    words = "dataset user.alice.hello is not yours to make (begin its name with user.bob.)"
    assert said["message"] == words


def test_working_group_is_for_production(scene: Scene) -> None:
    said = submit(scene.person("alice"), workingGroup="phys-higgs")
    assert (said["success"], said["data"]) == (False, 10)
    assert "only the production role may say whose share a task counts for" in said["message"]


def test_dataset_that_is_not_there_is_named(scene: Scene) -> None:
    item = {"type": "template", "param_type": "input", "value": '-i "${IN/T}"',
            "dataset": "user.alice.none/", "expand": True}  # fmt: skip
    found = parameters()
    found["jobParameters"].insert(0, item)
    answer = scene.person("alice").post(SUBMIT, json={"task_parameters": found}).json()
    assert (answer["success"], answer["data"]) == (False, 10)
    assert "user.alice.none - no such dataset" in answer["message"]


def test_name_of_a_living_task_is_a_duplicate(scene: Scene) -> None:
    """Section 5: 1 queued duplicate, 2 active duplicate, 3 incremental execution."""
    alice = scene.person("alice")
    first = submit(alice)
    assert (first["success"], first["data"]) == (True, 0)
    assert first["message"] == "succeeded. new jediTaskID=10000001"
    assert submit(alice)["data"] == 1
    run_stages(scene.books)
    again = submit(alice)
    assert (again["success"], again["data"]) == (False, 2)
    assert "jediTaskID=10000001 has the name already and is running" in again["message"]


def test_task_beside_its_parent_must_have_one_of_the_users(scene: Scene) -> None:
    alice = scene.person("alice")
    submit(alice)
    child = {"task_parameters": parameters(name="user.alice.child"), "parent_tid": 10000001}
    assert alice.post(SUBMIT, json=child).json()["success"] is True
    found = alice.get("/api/v1/task/get_parent_detailed_info?task_id=10000002").json()["data"]
    assert (found["jediTaskID"], found["taskName"]) == (10000001, "user.alice.hello/")
    other = {"task_parameters": parameters(name="user.bob.child"), "parent_tid": 10000001}
    said = scene.person("bob").post(SUBMIT, json=other).json()
    assert said["data"] == 10
    assert "parent_task_id: 10000001 - no such task of yours" in said["message"]


def test_parameters_come_back_as_they_were_sent(scene: Scene) -> None:
    alice = scene.person("alice")
    submit(alice)
    found = alice.get("/api/v1/task/get_task_parameters?task_id=10000001").json()["data"]
    assert found == parameters()


def upload(caller: Caller, name: str, content: bytes) -> Any:
    return caller.post(UPLOAD, files={"file": (name, content, "application/octet-stream")})


def content_of(archive: bytes) -> dict[str, int]:
    crc = int.from_bytes(archive[-8:-4], "little")
    return {"file_size": len(archive), "checksum": crc}


def test_sandbox_is_found_by_its_sender_alone(scene: Scene) -> None:
    alice, bob, archive = scene.person("alice"), scene.person("bob"), an_archive(x="1")
    assert alice.post(VALIDATE, json=content_of(archive)).json()["message"] == "NOTFOUND"
    assert upload(alice, "jobO.a.tar.gz", archive).json()["success"] is True
    found = alice.post(VALIDATE, json=content_of(archive)).json()["message"]
    assert found == "FOUND:testserver:jobO.a.tar.gz"
    assert bob.post(VALIDATE, json=content_of(archive)).json()["message"] == "NOTFOUND"
    assert alice.get("/cache/jobO.a.tar.gz").content == archive
    assert bob.get("/cache/jobO.a.tar.gz").status_code == 404
    other = an_archive(x="2")
    assert upload(bob, "jobO.a.tar.gz", other).json()["success"] is True
    assert alice.get("/cache/jobO.a.tar.gz").content == archive
    assert bob.get("/cache/jobO.a.tar.gz").content == other


BAD_UPLOADS = {
    "no archive": ("jobO.a.tar.gz", b"no archive", "not a readable gzipped tar archive"),
    "blank": ("jobO a.tar.gz", an_archive(x="1"), "the uploaded file has no good name"),
    "nameless": ("", an_archive(x="1"), "no file came"),
    "upwards": ("jobO.a.tar.gz", an_archive(**{"../x": "1"}), ".."),
    "large": ("jobO.a.tar.gz", b"\0" * (2 << 20), "the body is too large"),
}


@pytest.mark.parametrize(("name", "content", "said"), BAD_UPLOADS.values(), ids=BAD_UPLOADS)
def test_bad_upload_is_refused_in_words(scene: Scene, name: str, content: bytes, said: str) -> None:
    answer = upload(scene.person("alice"), name, content)
    assert answer.json()["success"] is False
    assert said in answer.json()["message"], answer.text


def test_truncated_upload_is_refused(scene: Scene) -> None:
    body = (b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.tar.gz"\r\n\r\n'
            + an_archive(x="1"))  # fmt: skip
    kind = {"Content-Type": "multipart/form-data; boundary=B"}
    alice = scene.person("alice")
    answer = alice.post(UPLOAD, content=body, headers=kind)
    assert (answer.status_code, answer.json()["success"]) == (422, False)
    assert "its end is missing" in answer.json()["message"]
    for other in ({"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data"}):
        answer = alice.post(UPLOAD, content=body, headers=other)
        assert "no multipart/form-data" in answer.json()["message"]


def test_event_ranges_come_as_python_writes_them(scene: Scene) -> None:
    """Trap (e): a list of Python's own spelling of dictionaries."""
    a_task(scene.books, user="alice", n_jobs=1)
    run_stages(scene.books)
    alice, path = scene.person("alice"), "/api/v1/event/get_event_range_statuses"
    pair = "{'task_id': 10000001, 'panda_id': 1}"
    assert alice.get(path, params={"job_task_ids": pair}).json()["data"] == {"1": []}
    for odd in ("__import__('os')", "{'panda_id': 'x'}", "{", "1"):
        answer = alice.get(path, params={"job_task_ids": odd})
        assert (answer.status_code, answer.json()["success"]) == (422, False)


def test_secret_is_in_no_answer_but_its_owners(scene: Scene) -> None:
    alice, path = scene.person("alice"), "/api/v1/creds"
    said = alice.post(f"{path}/set_user_secrets", json={"key": "k", "value": "hush"}).json()
    assert (said["success"], said["data"]) == (True, "secret k is kept")
    bad = alice.post(f"{path}/set_user_secrets", json={"key": "a b", "value": "hush"}).json()
    assert bad["success"] is False
    assert "hush" not in bad["message"]
    assert json.loads(alice.get(f"{path}/get_user_secrets").json()["data"]) == {"k": "hush"}
    assert json.loads(scene.person("bob").get(f"{path}/get_user_secrets").json()["data"]) == {}
    root = scene.person("root", "admin")
    assert json.loads(root.get(f"{path}/get_user_secrets").json()["data"]) == {}


def test_attempts_are_given_to_a_living_task_alone(scene: Scene) -> None:
    task_id = a_task(scene.books, user="alice", n_jobs=2)
    run_stages(scene.books)
    alice, path = scene.person("alice"), "/api/v1/task/increase_attempts"
    said = alice.post(path, json={"task_id": task_id, "increase": 2}).json()
    assert (said["success"], said["data"]) == (True, 0)
    assert said["message"] == "2 files may be tried 2 times more"
    assert task_row(scene.books, task_id).max_attempts == 5
    assert alice.post(path, json={"task_id": task_id, "increase": 99}).json()["data"] == 1
    alice.post("/api/v1/task/kill", json={"task_id": task_id})
    run_stages(scene.books)
    assert alice.post(path, json={"task_id": task_id}).json()["data"] == 4
