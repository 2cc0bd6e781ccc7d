"""PanDA's pilots by their requests: jobs taken, run and reported, and all that is refused."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from culm.core.images import refusal_of_bubblewrap
from server.panda.pilots.landing import drop_old
from tasks.tables import Job, RefusedReport
from tests.builders import a_dataset, a_task, run_stages
from tests.integration.tasks.scene import expire_leases
from tests.panda_pilot import form, get_job, run_program, update, write_outputs
from tests.server_scene import Scene, an_archive, sha256, told


def job_of(scene: Scene, job_id: int) -> Job:
    with scene.books.read() as session:
        job = session.get_one(Job, job_id)
        session.expunge(job)
        return job


def refused(scene: Scene) -> list[str]:
    with scene.books.read() as session:
        return [row.reason for row in session.exec(select(RefusedReport))]


@pytest.fixture
def job(scene: Scene) -> dict[str, Any]:
    """A job that PanDA's pilot got."""
    a_task(scene.books, outputs=["out.txt"], command="echo hello > out.txt")
    run_stages(scene.books)
    return get_job(scene.provisioner("LOCAL"))


def test_job_goes_to_its_end_in_their_words(scene: Scene, job: dict[str, Any]) -> None:
    site = scene.provisioner("LOCAL")
    assert (job["StatusCode"], job["attemptNr"], job["prodUserID"]) == (0, 1, "alice")
    assert job["transformation"].endswith(":25080/trf/user/runGen-00-00-02")
    for state in ("starting", "running"):
        assert update(site, job, state) == {"StatusCode": 0, "command": "NULL"}
    metadata = {"culm": {"exit_code": 0, "output_tail": "hello\n", "user_metadata": '{"n": 1}'}}
    ended = update(
        site, job, "finished", xml=write_outputs(job, scene.settings.storage_dir),
        transExitCode=0, pilotErrorCode=0, cpuConsumptionTime=3, pilotTiming="1|2|30|4|0|0",
        metaData=json.dumps(metadata), maxPSS=1_000_000,
    )  # fmt: skip
    assert ended == {"StatusCode": 0, "command": "NULL"}
    run_stages(scene.books)
    alice = scene.person("alice")
    shown = told(alice.get(f"/v1/jobs/{job['PandaID']}"))
    assert (shown["status"], shown["user_metadata"], shown["output_tail"]) == (
        "finished", '{"n": 1}', "hello\n")  # fmt: skip
    assert shown["metrics"]["stage_in_seconds"] == 2
    assert shown["metrics"]["wall_seconds"] == 30
    assert shown["metrics"]["max_pss_mb"] == pytest.approx(1024)
    assert told(alice.get(f"/v1/tasks/{job['taskID']}"))["status"] == "done"
    [lfn] = [lfn for lfn in job["outFiles"].split(",") if lfn.endswith("out.txt")]
    storage = scene.settings.storage_dir
    assert [path.read_text() for path in storage.glob(f"user.alice.*_out.txt/{lfn}")] == ["hello\n"]
    assert list((storage / ".panda" / "job").iterdir()) == []


def test_end_that_is_told_twice_is_taken_once(scene: Scene, job: dict[str, Any]) -> None:
    site = scene.provisioner("LOCAL")
    xml = write_outputs(job, scene.settings.storage_dir)
    answers = [update(site, job, "finished", xml=xml) for _ in range(2)]
    assert answers == [{"StatusCode": 0, "command": "NULL"}] * 2
    run_stages(scene.books)
    assert update(site, job, "finished", xml=xml)["StatusCode"] == 0
    assert (job_of(scene, job["PandaID"]).status, refused(scene)) == ("finished", [])


def test_leases_of_their_jobs_outlive_their_rare_reports(scene: Scene, job: dict[str, Any]) -> None:
    given = job_of(scene, job["PandaID"])
    assert given.lease_expires_at is not None
    assert (given.lease_expires_at - given.modified_at).total_seconds() == pytest.approx(7200, 0.01)
    update(scene.provisioner("LOCAL"), job, "running")
    beaten = job_of(scene, job["PandaID"])
    assert beaten.lease_expires_at is not None
    assert (beaten.lease_expires_at - beaten.modified_at).total_seconds() == pytest.approx(
        7200, 0.01
    )


def test_killed_job_is_to_be_killed(scene: Scene, job: dict[str, Any]) -> None:
    site = scene.provisioner("LOCAL")
    update(site, job, "running")
    killed = scene.person("alice").post(
        f"/v1/jobs/{job['PandaID']}/commands", json={"command": "kill"}
    )
    assert killed.status_code == 200
    assert update(site, job, "running")["command"] == "tobekilled"
    update(site, job, "failed", pilotErrorCode=1144, pilotErrorDiag="PANDAKILL")
    run_stages(scene.books)
    assert job_of(scene, job["PandaID"]).status == "cancelled"


def test_without_jobs_the_code_is_20(scene: Scene) -> None:
    answer = get_job(scene.provisioner("LOCAL"))
    assert (answer["StatusCode"], answer["errorDialog"]) == (20, "no job for this queue now")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attemptNr": 2}, "attempt 2 is not this job's: its attempt is 1"),
        ({"node": "wn2"}, "is not bound to pilot 0"),
        ({"jobId": 999_999}, "no such job"),
    ],
    ids=["wrong attempt", "another pilot's job", "no such job"],
)
def test_report_of_a_stranger_is_refused_and_noted(
    scene: Scene, job: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    xml = write_outputs(job, scene.settings.storage_dir)
    answer = update(scene.provisioner("LOCAL"), job, "finished", xml=xml, **changes)
    assert (answer["StatusCode"], answer["command"]) == (30, "tobekilled")
    assert reason in answer["ErrorDiag"]
    [noted] = refused(scene)
    assert reason in noted
    assert job_of(scene, job["PandaID"]).status == "sent"
    assert list(scene.settings.storage_dir.glob("user.alice.*/*")) == []


def test_token_of_another_queue_gets_and_reports_nothing(scene: Scene, job: dict[str, Any]) -> None:
    stranger = scene.provisioner("OTHER")
    answer = form(stranger, "getJob", siteName="LOCAL", node="wn1")
    assert answer.status_code == 403
    assert (answer.json()["StatusCode"], answer.json()["errorDialog"]) == (
        60, "this token gets no jobs of queue LOCAL")  # fmt: skip
    assert update(stranger, job, "finished", xml="{}")["command"] == "tobekilled"
    assert job_of(scene, job["PandaID"]).status == "sent"
    status = form(stranger, "getStatus", ids=job["PandaID"]).json()
    assert (status["status"], status["attemptNr"]) == ("notfound", "0")


def test_report_after_the_lease_is_refused_and_noted(scene: Scene, job: dict[str, Any]) -> None:
    site = scene.provisioner("LOCAL")
    update(site, job, "running")
    assert expire_leases(scene.books) == "1 jobs lost"
    answer = update(site, job, "finished", xml=write_outputs(job, scene.settings.storage_dir))
    assert (answer["StatusCode"], answer["command"]) == (30, "tobekilled")
    assert refused(scene) == [f"job {job['PandaID']} is failed"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "dancing"}, "state: 'dancing' - one of starting, running"),
        ({"attemptNr": "first"}, "attemptNr: 'first' - a whole number"),
        ({"jobId": ""}, "jobId: nothing - a whole number"),
        ({"attemptNr": 2**40}, "attemptNr: 1099511627776 - the number of an attempt"),
    ],
)
def test_update_that_cannot_be_read_is_told_so(
    scene: Scene, job: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    said = {"jobId": job["PandaID"], "attemptNr": 1, "state": "running", "node": "wn1"} | fields
    answer = form(scene.provisioner("LOCAL"), "updateJob", **said)
    assert answer.status_code == 422
    assert answer.json()["StatusCode"] == 50
    assert words in answer.json()["errorDialog"]


@pytest.mark.parametrize(
    ("xml", "code", "words"),
    [
        ("<xml/>", 1319, "it is no JSON object of files"),
        ('{"../../x": {"fsize": 1}}', 1319, "is no file"),
        ('{"a.txt": {"fsize": -1, "adler32": "00000001"}}', 1319, "size_bytes"),
        ('{"a.txt": {"fsize": 1, "adler32": "zz"}}', 1319, "adler32"),
        ('{"a.txt": {"fsize": 1, "adler32": "00000001"}}', 1137, "a.txt is no output of the job"),
        ("{}", 1165, "not in the pilot's report"),
    ],
    ids=["no JSON", "path", "size", "checksum's form", "another's name", "nothing"],
)
def test_file_report_that_is_nonsense_fails_its_job(
    scene: Scene, job: dict[str, Any], xml: str, code: int, words: str
) -> None:
    update(scene.provisioner("LOCAL"), job, "finished", xml=xml)
    run_stages(scene.books)
    ended = job_of(scene, job["PandaID"])
    assert (ended.status, ended.pilot_error_code) == ("failed", code)
    assert words in ended.pilot_error_diag


@pytest.mark.parametrize(("changed", "words"), [
    ({"adler32": "0badbeef"}, ", 0badbeef was reported"),
    ({"fsize": 7}, " has 6 bytes, 7 were reported"),
])  # fmt: skip
def test_other_bytes_than_reported_fail_the_job_and_are_no_output(
    scene: Scene, job: dict[str, Any], changed: dict[str, Any], words: str
) -> None:
    report = json.loads(write_outputs(job, scene.settings.storage_dir))
    report[job["outFiles"].split(",")[0]] |= changed
    update(scene.provisioner("LOCAL"), job, "finished", xml=json.dumps(report))
    run_stages(scene.books)
    ended = job_of(scene, job["PandaID"])
    assert (ended.status, ended.pilot_error_code) == ("failed", 1172)
    assert words in ended.pilot_error_diag
    assert list(scene.settings.storage_dir.glob("*_out.txt/*")) == []


def test_input_is_landed_and_the_program_runs_the_job(scene: Scene, tmp_path: Path) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.in"})
    for n in (1, 2):
        url = f"/v1/datasets/user.alice.in/files/in{n}.dat"
        assert alice.put(url, content=f"data {n}\n".encode()).status_code == 201
    a_task(scene.books, inputs=[{"datasets": ["user.alice.in"]}], n_files_per_job=2,
           outputs=["out.txt", "x*.log"],
           command="cat $(echo %IN | tr , ' ') > out.txt; cp out.txt x1.log; echo {} > "
                   "userJobMetadata.json; echo said")  # fmt: skip
    run_stages(scene.books)
    job = get_job(scene.provisioner("LOCAL"))
    here = tmp_path / "job"
    here.mkdir()
    storage = scene.settings.storage_dir
    for lfn in job["inFiles"].split(","):
        [landed] = (storage / ".panda").rglob(lfn)
        (here / lfn).symlink_to(landed.resolve())
    ran = run_program(job["jobPars"], "runGen-00-00-02", here)
    assert (ran.returncode, ran.stdout) == (0, "said\n"), ran.stderr
    out, packed, _ = job["outFiles"].split(",")
    assert (here / out).read_text() == "data 1\ndata 2\n"
    with tarfile.open(here / packed) as archive:
        assert archive.getnames() == ["x1.log"]
    assert json.loads((here / "jobReport.json").read_text())["culm"]["user_metadata"] == "{}\n"


def test_sandbox_comes_by_the_jobs_own_pass_while_it_is_held(scene: Scene) -> None:
    content = an_archive(**{"hello.sh": "echo hi > out.txt"})
    alice = scene.person("alice")
    assert alice.put(f"/v1/sandboxes/{sha256(content)}", content=content).status_code == 201
    a_task(scene.books, sandbox=sha256(content), outputs=["out.txt"], command="sh hello.sh")
    run_stages(scene.books)
    site = scene.provisioner("LOCAL")
    job = get_job(site)
    source = shlex.split(job["jobPars"])[1].removeprefix("http://testserver")
    name = f"{sha256(content)}.tar.gz"
    # No token: the pass in the path is enough, for this file alone.
    assert scene.client.get(f"{source}/cache/{name}").content == content
    assert scene.client.get(f"{source}/cache/{'0' * 64}.tar.gz").status_code == 404
    forged = source[:-4] + "AAAA"
    assert scene.client.get(f"{forged}/cache/{name}").status_code == 404
    token = source.rsplit("/", 1)[1]
    assert scene.bearer(token).get("/v1/tasks").status_code == 401
    update(site, job, "failed", pilotErrorCode=1305)
    assert scene.client.get(f"{source}/cache/{name}").status_code == 404


def test_input_in_no_shared_directory_fails_the_job_in_words(scene: Scene) -> None:
    name = a_dataset(scene.books, 1)
    a_task(scene.books, inputs=[{"datasets": [name]}], command="true %IN")
    run_stages(scene.books)
    assert get_job(scene.provisioner("LOCAL"))["StatusCode"] == 20
    with scene.books.read() as session:
        [job] = [row for row in session.exec(select(Job)) if row.pilot_error_code]
        assert job.pilot_error_code == 1323
        assert job.pilot_error_diag == (
            "not for PanDA's pilot: no copy in a directory that the server shares: f000000.dat"
        )
    run_stages(scene.books)


def test_storage_that_takes_nothing_fails_the_job_in_words(
    scene: Scene, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    xml = write_outputs(job, scene.settings.storage_dir)
    monkeypatch.setattr("server.panda.pilots.landing.os.link", full)
    update(scene.provisioner("LOCAL"), job, "finished", xml=xml)
    run_stages(scene.books)
    ended = job_of(scene, job["PandaID"])
    assert (ended.status, ended.pilot_error_code) == ("failed", 1137)
    assert "cannot be put to its place: [Errno 28] No space left" in ended.pilot_error_diag


def test_server_called_by_no_name_gives_nothing_to_a_shell(scene: Scene) -> None:
    fields = {"siteName": "LOCAL", "node": "wn1"}
    answer = scene.provisioner("LOCAL").post("/server/panda/getJob", data=fields,
                                             headers={"Host": "x$(id)"})  # fmt: skip
    assert (answer.status_code, answer.json()["StatusCode"]) == (422, 50)


def test_landing_areas_of_jobs_that_ended_silently_are_cleared(
    scene: Scene, job: dict[str, Any]
) -> None:
    storage = scene.settings.storage_dir
    write_outputs(job, storage)
    held = storage / ".panda" / "job" / str(job["PandaID"])
    unknown, young = held.with_name("999"), held.with_name("1000")
    for folder in (unknown, young):
        folder.mkdir()
    for folder in (held, unknown):
        os.utime(folder, (0, 0))
    drop_old(scene.books)
    assert (held.exists(), unknown.exists(), young.exists()) == (True, False, True)


def test_newer_forms_are_served_as_gzipped_json_without_saying_so(scene: Scene) -> None:
    a_task(scene.books, n_jobs=2, outputs=["o"], command="echo > o")
    run_stages(scene.books)
    site = scene.provisioner("LOCAL")

    def call(path: str, **fields: Any) -> dict[str, Any]:
        body = gzip.compress(json.dumps(fields).encode())
        answer = site.post(f"/api/v1/pilot/{path}", content=body, headers={"Origin": "culm"})
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    got = call("acquire_jobs", site_name="LOCAL", node="wn1", memory=8000, disk_space=90_000,
               n_jobs=5, prod_source_label="user")  # fmt: skip
    assert (got["success"], got["data"]["StatusCode"]) == (True, 0)
    one, two = got["data"]["jobs"]
    none = call("acquire_jobs", site_name="LOCAL", node="wn1")
    assert (none["success"], none["message"]) == (False, "no job for this queue now")
    told_one = {"job_id": one["PandaID"], "attempt_nr": 1, "job_status": "running", "node": "wn1"}
    assert call("update_job", **told_one) == {
        "success": True, "message": "", "data": {"StatusCode": 0, "command": None}}  # fmt: skip
    xml = write_outputs(one, scene.settings.storage_dir)
    bulk = call("update_jobs_bulk", harvester_id="h", job_list=[
        told_one | {"job_status": "finished", "job_output_report": xml},
        {"job_id": two["PandaID"], "attempt_nr": 9, "job_status": "running"},
        {"job_id": two["PandaID"], "attempt_nr": 1, "job_status": "odd"},
    ])  # fmt: skip
    assert [each["success"] for each in bulk["data"]] == [True, False, False]
    assert bulk["data"][1]["data"]["command"] == "tobekilled"
    assert "one of starting" in bulk["data"][2]["message"]
    ids = f"job_ids={one['PandaID']}&job_ids={two['PandaID']}&job_ids=77"
    statuses = site.get(f"/api/v1/pilot/get_job_status?{ids}").json()["data"]
    assert [(s["status"], s["attempt_number"]) for s in statuses] == [
        ("holding", 1), ("sent", 1), ("not found", 0)]  # fmt: skip
    assert call("update_worker_status", worker_id=1, harvester_id="h", status="started")["success"]
    odd = call("update_worker_status", worker_id=1, harvester_id="h", status="odd")
    assert "started or finished" in odd["message"]
    run_stages(scene.books)


@pytest.mark.parametrize(
    ("call", "fields", "expected"),
    [
        ("getProxy", {}, {"StatusCode": 50}),
        ("getKeyPair", {}, {"StatusCode": 50}),
        ("getEventRanges", {"pandaID": 1}, {"StatusCode": 0, "eventRanges": []}),
        ("updateEventRanges", {"eventRanges": "[{}]"}, {"StatusCode": 0, "Returns": [False]}),
        ("updateWorkerPilotStatus", {"status": "finished"}, {"StatusCode": 0}),
        ("updateWorkerPilotStatus", {"status": "x"}, {"StatusCode": 50}),
        ("getStatus", {"ids": "12"}, {"StatusCode": 0, "status": "notfound", "attemptNr": "0"}),
        ("getStatus", {"ids": "a"}, {"StatusCode": 50}),
        ("updateJobsInBulk", {"jobList": "["}, {"StatusCode": 50}),
    ],
)
def test_small_calls_answer_truly(
    scene: Scene, call: str, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = form(scene.provisioner("LOCAL"), call, **fields).json()
    assert {name: answer.get(name) for name in expected} == expected


def test_bulk_of_the_older_form_answers_each_as_text(scene: Scene, job: dict[str, Any]) -> None:
    listed = [{"jobId": job["PandaID"], "attemptNr": 1, "state": "running", "node": "wn1"}]
    done, texts = form(
        scene.provisioner("LOCAL"), "updateJobsInBulk", jobList=json.dumps(listed)
    ).json()
    assert done is True
    assert json.loads(texts[0]["content"])["StatusCode"] == 0


def test_queue_and_storage_are_read_without_a_token(scene: Scene) -> None:
    get = scene.client.get
    flat = get("/cache/schedconfig/LOCAL.all.json").json()
    assert (flat["state"], flat["astorages"]["pr"], flat["acopytools"]["pw"]) == (
        "ACTIVE", ["LOCAL"], ["mv"])  # fmt: skip
    assert get("/cache/schedconfig/LOCAL.json").json() == {"LOCAL": flat}
    storage = get("/cache/ddmendpoints.json").json()["LOCAL"]
    assert storage["arprotocols"]["write_lan"][0]["path"] == (
        f"{scene.settings.storage_dir}/.panda/"
    )
    missing = get("/cache/schedconfig/NONE.all.json")
    assert (missing.status_code, missing.json()["message"]) == (404, "no queue NONE")


def test_transforms_are_those_that_there_are(scene: Scene) -> None:
    found = scene.client.get("/trf/user/runHPO-00-00-01")
    assert found.content.startswith(b"#!/usr/bin/env python3\nPK")
    missing = scene.client.get("/trf/user/runAthena-00-00-12")
    assert missing.status_code == 404
    assert "runGen-00-00-02" in missing.json()["hint"]


def test_secrets_come_with_the_job_and_stay_out_of_its_log(scene: Scene, tmp_path: Path) -> None:
    assert scene.person("alice").put("/v1/secrets/KEY", content=b"s3cret").status_code == 200
    a_task(scene.books, outputs=["out.txt"], use_secrets=True,
           command="cp panda_secrets.json out.txt; ls -l panda_secrets.json")  # fmt: skip
    run_stages(scene.books)
    job = get_job(scene.provisioner("LOCAL"))
    assert json.loads(job["secrets"]) == {"KEY": "s3cret"}
    (tmp_path / "panda_secrets.json").write_text(job["secrets"])
    ran = run_program(job["jobPars"], "runGen-00-00-02", tmp_path)
    assert (ran.returncode, ran.stdout[:10]) == (0, "-rw-------")
    assert list(tmp_path.rglob("panda_secrets.json")) == []
    assert json.loads((tmp_path / job["outFiles"].split(",")[0]).read_text())["KEY"] == "s3cret"


@pytest.mark.parametrize("known", [True, False], ids=["unpacked image", "no image"])
def test_container_of_a_job_is_the_nodes_image(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if not shutil.which("busybox") or refusal_of_bubblewrap():
        pytest.skip("bubblewrap or busybox is missing")
    root = tmp_path / "images" / "tiny:1" / "rootfs"
    (root / "bin").mkdir(parents=True)
    for name in ("sh", "cat", "pwd", "echo"):
        shutil.copy(shutil.which("busybox") or "", root / "bin" / name)
    (root / "of_the_image").write_text("inside\n")
    monkeypatch.setenv("CULM_IMAGES", str(tmp_path / "images"))
    a_task(scene.books, outputs=["out.txt"], command="cat /of_the_image > out.txt; pwd",
           container_image="docker://tiny:1" if known else "docker://nobody/has:it")  # fmt: skip
    run_stages(scene.books)
    job = get_job(scene.provisioner("LOCAL"))
    here = tmp_path / "job"
    here.mkdir()
    ran = run_program(job["jobPars"], "runGen-00-00-02", here)
    if known:
        assert (ran.returncode, ran.stdout) == (0, "/srv/workDir\n"), ran.stderr
        assert (here / job["outFiles"].split(",")[0]).read_text() == "inside\n"
    else:
        said = json.loads((here / "jobReport.json").read_text())["culm"]
        assert (ran.returncode, said["pilot_error_code"]) == (1, 1360)
        assert "docker://nobody/has:it" in said["pilot_error_diag"]


def test_what_is_asked_of_a_job_is_a_command_and_its_stdout_the_answer(
    scene: Scene, job: dict[str, Any]
) -> None:
    site, alice = scene.provisioner("LOCAL"), scene.person("alice")
    update(site, job, "running", stdout="said before anybody asked")
    path = f"/v1/jobs/{job['PandaID']}/requests"
    odd = alice.post(path, json={"kind": "ls", "path": "$(rm x)"}).json()["request_id"]
    first = alice.post(path, json={"kind": "tail", "path": "out.txt"}).json()["request_id"]

    def answer(request_id: int) -> tuple[bool, str]:
        shown = alice.get(f"{path}/{request_id}").json()
        return shown.get("is_good", False), shown.get("answer", "")

    assert update(site, job, "running", stdout="old")["command"] == "tail workDir/out.txt"
    assert answer(first) == (False, "")
    assert answer(odd) == (
        False, "PanDA's pilot takes paths of letters, digits and ._+=@:/- only")  # fmt: skip
    update(site, job, "running", stdout="the last lines\n")
    assert answer(first) == (True, "the last lines\n")
    switch = alice.post(path, json={"kind": "debug"}).json()["request_id"]
    assert update(site, job, "running")["command"] == "debug"
    assert answer(switch) == (True, "its pilot was told")
    assert update(site, job, "running")["command"] == "NULL"
