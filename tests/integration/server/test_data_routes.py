"""Datasets, files, sandboxes and storage over HTTP."""

from __future__ import annotations

from typing import Any

from culm.core.checksums import adler32
from tests.builders import a_dataset, a_task, run_stages
from tests.server_scene import Caller, Scene, an_archive, sha256, told

FILE = {"lfn": "a.csv", "url": "https://x.example/a.csv", "size_bytes": 5, "adler32": "0000000a"}


def test_dataset_is_registered_listed_and_read_by_all(scene: Scene) -> None:
    alice, bob = scene.person("alice"), scene.person("bob")
    new = {"name": "user.alice.d", "files": [FILE]}
    made = alice.post("/v1/datasets", json=new)
    assert (made.status_code, made.json()["n_files"], made.json()["size_bytes"]) == (201, 1, 5)
    again = alice.post("/v1/datasets", json=new)
    assert (again.status_code, again.json()["n_files"]) == (200, 1)
    listed = bob.get("/v1/datasets", params={"pattern": "user.*.d"}).json()["datasets"]
    assert [d["name"] for d in listed] == ["user.alice.d"]
    files = told(bob.get("/v1/datasets/user.alice.d/files"))["files"]
    assert files == [{"lfn": "a.csv", "size_bytes": 5, "adler32": "0000000a",
                      "urls": ["https://x.example/a.csv"]}]  # fmt: skip


def test_file_with_other_bytes_is_refused_and_nothing_is_added(scene: Scene) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d", "files": [FILE]})
    more = [FILE | {"lfn": "b.csv"}, FILE | {"size_bytes": 6}]
    refused = alice.post("/v1/datasets", json={"name": "user.alice.d", "files": more})
    assert (refused.status_code, refused.json()["code"]) == (409, "CULM-1007")
    assert alice.get("/v1/datasets/user.alice.d").json()["n_files"] == 1


def test_datasets_and_files_come_in_pages(scene: Scene) -> None:
    alice = scene.person("alice")
    for number in range(3):
        alice.post("/v1/datasets", json={"name": f"user.alice.d{number}"})
    first = alice.get("/v1/datasets", params={"limit": 2}).json()
    assert first["next"] == "user.alice.d1"
    rest = alice.get("/v1/datasets", params={"after": first["next"]}).json()
    assert [d["name"] for d in rest["datasets"]] == ["user.alice.d2"]
    name = a_dataset(scene.books, 5)
    page = alice.get(f"/v1/datasets/{name}/files", params={"limit": 3}).json()
    rest = alice.get(f"/v1/datasets/{name}/files", params={"after": page["next"]}).json()
    assert len(page["files"]) + len(rest["files"]) == 5


def test_file_goes_up_and_comes_back(scene: Scene) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    content = bytes(range(256)) * 20_000
    url = "/v1/datasets/user.alice.d/files/f.bin"
    headers = {"X-Adler32": adler32([content]), "X-N-Events": "100"}
    made = alice.put(url, content=content, headers=headers)
    assert made.status_code == 201, made.text
    assert made.json()["n_events"] == 100
    assert made.json()["urls"] == [(scene.settings.storage_dir / "user.alice.d/f.bin").as_uri()]
    assert alice.put(url, content=content).status_code == 200
    assert alice.put(url, content=b"other").status_code == 409
    back = scene.person("bob").get(url)
    assert back.content == content
    assert back.headers["x-adler32"] == adler32([content])
    assert back.headers["content-length"] == str(len(content))
    part = alice.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert alice.get("/v1/datasets/user.alice.d").json()["n_files"] == 1
    assert list((scene.settings.storage_dir / ".drafts").iterdir()) == []


def test_upload_with_a_wrong_checksum_leaves_nothing(scene: Scene) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    url = "/v1/datasets/user.alice.d/files/f.bin"
    refused = alice.put(url, content=b"abc", headers={"X-Adler32": "00000001"})
    assert (refused.status_code, refused.json()["code"]) == (422, "CULM-3002")
    assert alice.get(url).status_code == 404
    assert not (scene.settings.storage_dir / "user.alice.d").exists()
    assert list((scene.settings.storage_dir / ".drafts").iterdir()) == []


def test_sandbox_is_kept_by_its_digest(scene: Scene) -> None:
    alice = scene.person("alice")
    content = an_archive(**{"run.sh": "echo hi"})
    url = f"/v1/sandboxes/{sha256(content)}"
    assert alice.head(url).status_code == 404
    assert alice.put(url, content=content).status_code == 201
    assert alice.put(url, content=content).status_code == 200
    assert alice.head(url).headers["content-length"] == str(len(content))
    assert alice.get(url).content == content
    assert list((scene.settings.sandbox_dir / ".drafts").iterdir()) == []


def test_pilot_fetches_the_sandbox_of_its_job_only(scene: Scene) -> None:
    alice = scene.person("alice")
    content, other = an_archive(a="1"), an_archive(b="2")
    for archive in (content, other):
        alice.put(f"/v1/sandboxes/{sha256(archive)}", content=archive)
    a_task(scene.books, sandbox=sha256(content))
    run_stages(scene.books)
    pilot = scene.pilot()
    url = f"/v1/sandboxes/{sha256(content)}"
    assert pilot.get(url).status_code == 404
    job = the_job(pilot)
    assert job["sandbox"] == {"digest": sha256(content), "url": url, "size_bytes": len(content)}
    assert pilot.get(url).content == content
    assert pilot.get(f"/v1/sandboxes/{sha256(other)}").status_code == 404


def the_job(pilot: Caller) -> dict[str, Any]:
    work = {"request_key": "r", "memory_mb": 10**6, "disk_mb": 10**6}
    job: dict[str, Any] = pilot.post("/v1/pilots/me/work", json=work).json()["jobs"][0]
    return job


def through_the_server(scene: Scene) -> None:
    with scene.books.write() as session:
        session.connection().exec_driver_sql(
            "UPDATE storage_endpoint SET url = '/v1/storage/LOCAL'"
        )


def test_pilot_without_shared_files_reads_and_writes_through_the_server(scene: Scene) -> None:
    through_the_server(scene)
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.d"})
    alice.put("/v1/datasets/user.alice.d/files/f.txt", content=b"input")
    spec = {"name": "user.alice.t", "command": "cat %IN > out", "outputs": ["out"],
            "inputs": [{"datasets": ["user.alice.d"]}]}  # fmt: skip
    task_id = alice.post("/v1/tasks", json=spec).json()["task_id"]
    run_stages(scene.books)
    pilot, stranger = scene.pilot(), scene.pilot(process_id=2)
    job = the_job(pilot)
    read = job["inputs"][0]["urls"][0]
    assert read == "/v1/storage/LOCAL/user.alice.d/f.txt"
    assert pilot.get(read).content == b"input"
    assert stranger.get(read).status_code == 404
    outputs = {output["kind"]: output for output in job["outputs"]}
    write = outputs["output"]["url"]
    assert stranger.put(write, content=b"x").status_code == 404
    stored = pilot.put(write, content=b"result")
    assert (stored.status_code, stored.headers["x-adler32"]) == (201, adler32([b"result"]))
    assert pilot.put(write, content=b"result").status_code == 200
    assert pilot.put(write, content=b"another").status_code == 409
    assert pilot.put(outputs["log"]["url"], content=b"log").status_code == 201
    assert pilot.put(read, content=b"overwritten").status_code == 404
    assert pilot.put("/v1/storage/LOCAL/user.alice.t_out/mine", content=b"x").status_code == 404
    finish(pilot, job, {"output": b"result", "log": b"log"})
    assert pilot.put(write, content=b"result").status_code == 404  # its final report is in
    run_stages(scene.books)
    assert alice.get(f"/v1/tasks/{task_id}").json()["status"] == "done"
    found = alice.get("/v1/datasets/user.alice.t_out/files").json()["files"]
    name = found[0]["lfn"]
    assert alice.get(f"/v1/datasets/user.alice.t_out/files/{name}").content == b"result"


def finish(pilot: Caller, job: dict[str, Any], contents: dict[str, bytes]) -> None:
    written = [(output["lfn"], contents[output["kind"]]) for output in job["outputs"]]
    outputs = [{"lfn": lfn, "size_bytes": len(content), "adler32": adler32([content])}
               for lfn, content in written]  # fmt: skip
    report = {"job_id": job["job_id"], "attempt_nr": job["attempt_nr"], "report_nr": 1,
              "state": "finished", "exit_code": 0, "outputs": outputs}  # fmt: skip
    answer = pilot.post("/v1/pilots/me/reports", json={"reports": [report]}).json()
    assert answer["answers"][0]["instruction"] == "go_on"


def test_logs_of_jobs_are_their_owners_to_read(scene: Scene) -> None:
    through_the_server(scene)
    alice, bob, root = scene.person("alice"), scene.person("bob"), scene.person("root", "admin")
    alice.post("/v1/tasks", json={"name": "user.alice.t", "command": "true"})
    run_stages(scene.books)
    pilot = scene.pilot()
    job = the_job(pilot)
    pilot.put(job["outputs"][0]["url"], content=b"secret")
    finish(pilot, job, {"log": b"secret"})
    run_stages(scene.books)
    url = "/v1/datasets/user.alice.t.log"
    name = alice.get(f"{url}/files").json()["files"][0]["lfn"]
    assert alice.get(f"{url}/files/{name}").content == b"secret"
    assert root.get(f"{url}/files/{name}").content == b"secret"
    for path in (url, f"{url}/files", f"{url}/files/{name}"):
        assert bob.get(path).status_code == 404
    assert bob.get("/v1/datasets").json()["datasets"] == []
    assert len(alice.get("/v1/datasets").json()["datasets"]) == 1


def test_zero_bytes_reach_no_database(scene: Scene) -> None:
    alice, pilot = scene.person("alice"), scene.pilot()
    for path in ("/v1/datasets/a%00b", "/v1/datasets?pattern=a%00", "/v1/tasks?name=%00",
                 "/v1/tasks?user=a%00b", "/v1/queues/a%00", "/v1/datasets?after=%00",
                 "/v1/sandboxes/%00"):  # fmt: skip
        assert alice.get(path).status_code == 422, path
    assert pilot.get("/v1/storage/LOCAL/a%00/b").status_code == 422
    assert pilot.put("/v1/storage/L%00/a/b", content=b"x").status_code == 422
