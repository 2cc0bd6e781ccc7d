"""`--check` and `culm book` against a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from culm.cli.main import run
from tests.builders import a_dataset, a_pilot, a_report, get_work, report, run_stages
from tests.integration.tools.conftest import Desk


def test_check_tells_jobs_and_queues_and_submits_nothing(desk: Desk) -> None:
    data = a_dataset(desk.books, 9)
    Path("big.py").write_text("print(1)\n")
    asked = ("prun", "--exec", "true %IN", "--inDS", data, "--nFilesPerJob", "2", "--check")
    n_tasks = len(list(desk.client.tasks()))
    found = desk.gets(*asked, "--json")
    assert (found["verdict"], found["jobs"]["n_jobs"]) == ("taken", 5)
    assert found["jobs"]["files"] == {"least": 1, "mean": 1.8, "most": 2}
    code, out, err = desk.does(*asked)
    assert code == 0
    assert "jobs\t5" in out
    assert "files sent along\t1" in out
    assert "nothing was submitted" in err
    assert len(list(desk.client.tasks())) == n_tasks


def test_check_of_what_is_wrong_names_the_option(desk: Desk) -> None:
    code, _, err = desk.does("prun", "--exec", "true", "--inDS", "user.alice.nowhere", "--check")
    assert code == 2
    assert "--inDS: user.alice.nowhere - no such dataset" in err
    Path("space.json").write_text(
        json.dumps({"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}})
    )
    search = ("hpo", "--evaluationExec", "true", "--searchSpaceFile", "space.json", "--check")
    assert desk.gets(*search, "--json")["jobs"]["n_jobs"] == 10
    code, _, err = desk.does(*search, "--trainingDS", "user.alice.nowhere")
    assert code == 2
    assert "--trainingDS" in err


def submitted(desk: Desk, *words: str) -> int:
    """The id of a task that was submitted and has its jobs."""
    code, out, _ = desk.does("prun", "--exec", "true", "--noSandbox", *words)
    assert code == 0
    run_stages(desk.books)
    return int(out)


def test_book_shows_and_steers_tasks(desk: Desk) -> None:
    first = submitted(desk, "--outDS", "user.alice.book.one", "--nJobs", "2")
    second = submitted(desk, "--outDS", "user.alice.book.two")
    book = ("book", "--yes", "-c")
    shown = desk.gets(*book, "show('run', taskname='user.alice.book.*', format='json')")
    assert [task["task_id"] for task in shown] == [second, first]
    code, out, _ = desk.does(*book, f"show([{first}], format='plain')")
    assert out.startswith(f"{first}\trunning\t0%\t")
    assert "nfiles\t2" in desk.does(*book, f"showl({first})")[1]
    code, out, _ = desk.does(*book, f"kill([{first}, {second}])")
    assert code == 0
    run_stages(desk.books)
    ended = desk.gets(*book, "show('fin', taskname='user.alice.book.*', limit=1, format='json')")
    assert [(task["task_id"], task["status"]) for task in ended] == [(second, "aborted")]
    code, _, err = desk.does(*book, f"finish({first})")
    assert (code, "aborted" in err) == (5, True)
    code, out, _ = desk.does(*book, f"retry({first}, newOpts={{'memory': '1GB'}})")
    run_stages(desk.books)
    assert (code, desk.client.parameters(first).memory_mb) == (0, 1000)
    code, _, err = desk.does(*book, "show(1, 10000001)", "-c", "kill(99999999)")
    assert code == 4
    assert "no task 99999999" in err


def test_book_asks_before_it_kills(desk: Desk) -> None:
    submitted(desk)
    code, _, err = desk.does("book", "-c", "kill('all')")
    assert code == 2
    assert "to kill" in err
    assert "wants --yes" in err


def test_book_keeps_secrets_and_tried_jobs_get_them(desk: Desk) -> None:
    Path("key.pem").write_text("PEM")
    book = ("book", "--yes", "-c")
    code, _, err = desk.does(*book, "set_secret('token', 's3cr3t')", "-c",
                             "set_secret('key.pem', 'key.pem', is_file=True)")  # fmt: skip
    assert code == 0, err
    assert desk.does(*book, "list_secrets()")[1] == "key.pem\tfile, 3 bytes\ntoken\t\n"
    assert "s3cr3t" in desk.does(*book, "list_secrets(full=True)")[1]
    found = desk.gets("run", "--exec", "cat panda_secrets.json key.pem", "--useSecrets", "--json")
    (job,) = found["jobs"]
    assert '"token": "s3cr3t"' in job["output_tail"]
    assert job["output_tail"].endswith("PEM")
    assert list(Path(found["directory"]).rglob("panda_secrets.json")) == []
    assert desk.does(*book, "delete_secret('token')")[0] == 0
    code, _, err = desk.does(*book, "delete_all_secrets()", "-c", "set_secret('x', 'no', True)")
    assert (code, "no: No such file or directory" in err) == (2, True)
    assert desk.client.secrets() == ()


def test_book_asks_running_jobs_and_kills_them(desk: Desk) -> None:
    task = submitted(desk, "--outDS", "user.alice.book.asked")
    with desk.server.pilot() as pilot:
        work = {"request_key": "k", "n_jobs": 100, "core_count": 64, "memory_mb": 10**6,
                "disk_mb": 10**6}  # fmt: skip
        jobs = pilot.post("/v1/pilots/me/work", json=work).raise_for_status().json()["jobs"]
        (number,) = [job["job_id"] for job in jobs if job["task_id"] == task]

        def answer() -> None:
            """As the pilot does at its heartbeats: until it was asked."""
            url = f"/v1/jobs/{number}/requests"
            for nr in range(1, 400):
                report = {"job_id": number, "attempt_nr": 1, "report_nr": nr, "state": "running"}
                told = pilot.post("/v1/pilots/me/reports", json={"reports": [report]}).json()
                for request in told["answers"][0].get("requests", ()):
                    said = {"is_good": True, "text": f"{request['kind']} {request['path']}\n"}
                    pilot.put(f"{url}/{request['request_id']}/answer", json=said)
                    return

        with ThreadPoolExecutor(1) as pool:
            # The job must run before it can be asked.
            report = {"job_id": number, "attempt_nr": 1, "report_nr": 0, "state": "running"}
            pilot.post("/v1/pilots/me/reports", json={"reports": [report]})
            done = pool.submit(answer)
            code, out, err = desk.does("book", "-c", f"tail({number}, 'my.log')")
            done.result()
        assert (code, out) == (0, "tail my.log\n"), err
    code, out, err = desk.does("book", "--yes", "-c", f"killJob({number})")
    assert code == 0, err
    assert desk.does("book", "-c", "ps(999999)")[0] == 4


@contextmanager
def storage_at(desk: Desk, directory: str) -> Iterator[None]:
    """The server has a disk for files, while the block lasts."""
    for place in (directory, "NULL"):
        with desk.books.write() as session:
            session.connection().exec_driver_sql(f"UPDATE storage_endpoint SET directory = {place}")
        if place == directory:
            yield


def tried(desk: Desk) -> Any:
    """What a task came to that was tried here."""
    asked = ("--inDS", "user.alice.tried", "--nFilesPerJob", "1", "--match", "in[12]")
    return desk.gets("run", "--exec", "cat %IN", "--noSandbox", *asked, "--json")


def test_tried_task_fetches_the_input_of_its_jobs(desk: Desk) -> None:
    desk.client.add_dataset("user.alice.tried")
    with storage_at(desk, f"'{desk.server.settings.storage_dir}'"):
        for number in range(4):
            Path(f"in{number}").write_text(f"{number}\n")
            desk.client.upload("user.alice.tried", f"in{number}")
        trial = tried(desk)
    (job,) = trial["jobs"]
    assert (job["inputs"], job["output_tail"]) == (["in1"], "1\n")
    fetched = [path.name for path in Path(trial["directory"]).glob("inputs/*/*")]
    assert fetched == ["in1"]


def test_book_writes_metadata_of_jobs(desk: Desk) -> None:
    task = submitted(desk, "--outDS", "user.alice.book.meta")
    pilot = a_pilot(desk.books)
    jobs = [job for job in get_work(desk.books, pilot).jobs if job.task_id == task]
    report(desk.books, pilot, *(a_report(job, user_metadata='{"n": 3}') for job in jobs))
    run_stages(desk.books)
    assert run(["book", "-c", f"getUserJobMetadata({task}, 'out.json')"]) == 0
    assert json.loads(Path("out.json").read_text()) == {str(jobs[0].job_id): {"n": 3}}
