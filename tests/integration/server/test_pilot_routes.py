"""Pilots over HTTP: signing on, work, reports."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.builders import a_task, run_stages
from tests.server_scene import Caller, Scene

WORK = {"request_key": "r1", "n_jobs": 10, "memory_mb": 10**6, "disk_mb": 10**6, "core_count": 64}


def the_work(pilot: Caller, **changes: Any) -> list[dict[str, Any]]:
    answer = pilot.post("/v1/pilots/me/work", json=WORK | changes)
    assert answer.status_code == 200, answer.text
    jobs: list[dict[str, Any]] = answer.json()["jobs"]
    return jobs


def a_report(job: dict[str, Any], nr: int = 1, state: str = "finished", **more: Any) -> Any:
    outputs = [{"lfn": o["lfn"], "size_bytes": 10, "adler32": "0000000a"} for o in job["outputs"]]
    return {"job_id": job["job_id"], "attempt_nr": job["attempt_nr"], "report_nr": nr,
            "state": state, "outputs": outputs if state == "finished" else []} | more  # fmt: skip


@pytest.fixture
def unlooked(scene: Scene) -> Scene:
    """A scene in which outputs are not looked for in storage."""
    with scene.books.write() as session:
        session.connection().exec_driver_sql("UPDATE storage_endpoint SET directory = NULL")
    return scene


def test_pilot_takes_jobs_to_their_end(unlooked: Scene) -> None:
    scene = unlooked
    task_id = a_task(scene.books, n_jobs=3, outputs=["o"], command="echo hi > o")
    run_stages(scene.books)
    pilot = scene.pilot()
    jobs = the_work(pilot)
    assert [job["attempt_nr"] for job in jobs] == [1, 1, 1]
    beats = [a_report(job, state="running") for job in jobs]
    answers = pilot.post("/v1/pilots/me/reports", json={"reports": beats}).json()["answers"]
    assert [answer["instruction"] for answer in answers] == ["go_on"] * 3
    alice = scene.person("alice")
    assert alice.get(f"/v1/tasks/{task_id}").json()["job_counts"] == {"running": 3}
    metadata = {"metrics": {"cpu_seconds": 1.5}, "output_tail": "hi\n", "user_metadata": "{}"}
    ends = [a_report(job, 2, **metadata) for job in jobs]
    assert pilot.post("/v1/pilots/me/reports", json={"reports": ends}).status_code == 200
    run_stages(scene.books)
    assert alice.get(f"/v1/tasks/{task_id}").json()["status"] == "done"
    shown = alice.get(f"/v1/jobs/{jobs[0]['job_id']}").json()
    assert (shown["status"], shown["output_tail"], shown["user_metadata"]) == (
        "finished", "hi\n", "{}")  # fmt: skip
    assert shown["metrics"]["cpu_seconds"] == 1.5


def test_same_request_key_gets_the_same_jobs(scene: Scene) -> None:
    a_task(scene.books, n_jobs=4)
    run_stages(scene.books)
    pilot = scene.pilot()
    first = the_work(pilot, n_jobs=2)
    assert the_work(pilot, n_jobs=2) == first
    assert len(the_work(pilot, n_jobs=2, request_key="r2")) == 2


def test_pilots_of_one_moment_never_share_a_job(scene: Scene) -> None:
    a_task(scene.books, n_jobs=60, skip_scouts=True)
    run_stages(scene.books)
    pilots = [scene.pilot(process_id=n) for n in range(1, 11)]
    with ThreadPoolExecutor(10) as pool:
        got = list(pool.map(lambda p: the_work(p, n_jobs=6), pilots))
    ids = [job["job_id"] for jobs in got for job in jobs]
    assert (len(ids), len(set(ids))) == (60, 60)


def test_long_poll_answers_when_work_comes(scene: Scene) -> None:
    pilot = scene.pilot()
    started = time.monotonic()
    assert the_work(pilot, wait_seconds=0.3) == []
    assert time.monotonic() - started >= 0.3

    def submit() -> None:
        a_task(scene.books, n_jobs=1)
        run_stages(scene.books)

    timer = threading.Timer(0.3, submit)
    timer.start()
    assert len(the_work(pilot, wait_seconds=20)) == 1
    timer.join()
    assert time.monotonic() - started < 10


def test_report_of_another_pilots_job_is_refused(scene: Scene) -> None:
    a_task(scene.books, n_jobs=1)
    run_stages(scene.books)
    job = the_work(scene.pilot())[0]
    stranger = scene.pilot(process_id=2)
    answer = stranger.post("/v1/pilots/me/reports", json={"reports": [a_report(job)]}).json()
    assert answer["answers"][0]["instruction"] == "forget"
    assert "not bound to pilot" in answer["answers"][0]["reason"]


def test_one_bad_report_does_not_stop_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    import server.routes.pilots as route

    a_task(scene.books, n_jobs=3)
    run_stages(scene.books)
    pilot = scene.pilot()
    jobs = the_work(pilot)

    def poisoned(session: Any, reports: Any) -> Any:
        if any(report.job_id == jobs[1]["job_id"] for _, report in reports):
            raise RuntimeError("poison")
        return original(session, reports)

    original = route.take_reports
    monkeypatch.setattr(route, "take_reports", poisoned)
    ends = [a_report(job, state="running") for job in jobs]
    answer = pilot.post("/v1/pilots/me/reports", json={"reports": ends})
    assert answer.status_code == 200
    reasons = [a["reason"] for a in answer.json()["answers"]]
    assert reasons == ["", "it could not be booked", ""]


def test_pilot_signs_off(scene: Scene) -> None:
    pilot = scene.pilot()
    assert pilot.delete("/v1/pilots/me").status_code == 204
    answer = pilot.post("/v1/pilots/me/work", json=WORK).json()
    assert answer == {"jobs": [], "sign_off": True}
    shown = scene.person("alice").get("/v1/pilots").json()["pilots"]
    assert [p["status"] for p in shown] == ["gone"]


def test_provisioner_serves_its_queues_only(scene: Scene) -> None:
    spec = {"queue": "LOCAL", "host": "n", "process_id": 1, "version": "t"}
    refused = scene.provisioner("OTHER").post("/v1/pilots", json=spec)
    assert (refused.status_code, refused.json()["code"]) == (403, "CULM-1003")
    unknown = scene.provisioner().post("/v1/pilots", json=spec | {"queue": "LOKAL"})
    assert unknown.status_code == 404
    assert "did you mean LOCAL?" in unknown.json()["detail"]
