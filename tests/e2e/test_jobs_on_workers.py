"""What jobs can do on a worker, through the whole of Culm: secrets, images, commands, shut in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from culm.core.images import refusal_of_bubblewrap
from pilot.isolation import SHUT_IN
from tasks.audit import audit
from tasks.store.books import Books
from tests.installation import Installation, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(refusal_of_bubblewrap(*SHUT_IN)) or not shutil.which("busybox"),
        reason="bubblewrap or busybox is missing",
    ),
]
PLANTED = "pl4nted-s3cret-value"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("workers")
    programs = folder / "images" / "tiny" / "bin"
    programs.mkdir(parents=True)
    for name in ("sh", "cat", "ls", "echo", "sleep", "mkdir"):
        shutil.copy(shutil.which("busybox") or "", programs / name)
    url = f"sqlite:///{folder}/culm.db"
    parts = Installation(folder, url)
    parts.settings = {"CULM_ISOLATION": "required", "CULM_IMAGES_DIR": str(folder / "images")}
    parts.start_all(pilots=1, slots=2, batch=2)
    yield parts
    parts.stop()
    for log in folder.glob("*.log"):
        assert PLANTED not in log.read_text()
    with Books(url) as books, books.read() as session:
        assert audit(session) == []


def prun(parts: Installation, name: str, *options: str) -> dict[str, Any]:
    ended = parts.culm(
        "prun", "--noSandbox", "--outDS", f"user.root.{name}", "--memory", "500", "--disk", "100",
        "--wait", "--json", *options, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr + parts.logs()
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def output_of(parts: Installation, dataset: str) -> str:
    parts.culm("dataset", "get", dataset, "--dir", "got")
    [path] = (parts.folder / "got").iterdir()
    text = path.read_text()
    shutil.rmtree(parts.folder / "got")
    return text


def test_build_run_and_merge_jobs_run_in_the_image(installation: Installation) -> None:
    sources = installation.folder / "sources"
    sources.mkdir()
    (sources / "word").write_text("from the sandbox\n")
    both = "$(echo %IN | { IFS=,; read -r a b; echo $a $b; })"
    ended = installation.culm(
        "prun", "--workDir", str(sources), "--outDS", "user.root.image", "--containerImage",
        "docker://tiny", "--bexec", "ls /bin > built; cat word >> built", "--exec",
        "cat built > %OUT; echo $PWD >> %OUT", "--outputs", "o.txt", "--nJobs", "2",
        "--mergeOutput", "--mergeScript", f"cat {both} > %OUT; ls / >> %OUT",
        "--skipScout", "--memory", "500", "--disk", "100", "--wait", "--json", check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr + installation.logs()
    lines = output_of(installation, "user.root.image_o.txt").splitlines()
    assert lines.count("from the sandbox") == 2
    assert lines.count("/srv/workDir") == 2
    assert lines.count("mkdir") == 2
    assert ("srv" in lines, "root" in lines) == (True, False)


def test_job_finds_its_owners_secret_and_hides_it_from_all_others(
    installation: Installation,
) -> None:
    secret = installation.folder / "value"
    secret.write_text(PLANTED)
    installation.culm("secret", "set", "TOKEN", "--file", str(secret))
    prun(installation, "secret", "--useSecrets", "--exec", "wc -c < TOKEN > %OUT; ls >> %OUT",
         "--outputs", "o.txt")  # fmt: skip
    text = output_of(installation, "user.root.secret_o.txt").split()
    assert text[0] == str(len(PLANTED))
    assert "panda_secrets.json" in text
    history = installation.culm("secret", "history").stdout
    assert "given" in history


def test_payload_sees_neither_keys_nor_books(installation: Installation) -> None:
    data = installation.folder / "data"
    command = f"ls {data}/keys {installation.folder}/work0/runs > %OUT 2>&1; ls /tmp >> %OUT; true"
    prun(installation, "shut", "--exec", command, "--outputs", "o.txt")
    text = output_of(installation, "user.root.shut_o.txt")
    assert text.count("No such file or directory") == 1  # its own run's directory is there
    assert ".pem" not in text


def test_running_job_is_looked_into(installation: Installation) -> None:
    made = installation.culm(
        "prun", "--noSandbox", "--outDS", "user.root.long", "--memory", "500", "--disk", "100",
        "--exec", "echo hello; while [ ! -e stop ]; do sleep 0.2; done", "--json",
    )  # fmt: skip
    task = str(json.loads(made.stdout)["task_id"])

    def running() -> bool:
        found = json.loads(installation.culm("job", "list", task, "--json").stdout)
        return bool(found) and found[0]["status"] == "running"

    wait_until(running, "job runs")
    [job] = json.loads(installation.culm("job", "list", task, "--json").stdout)
    number = str(job["job_id"])
    assert "every 5 s" in installation.culm("job", "debug", number).stdout
    assert installation.culm("job", "tail", number).stdout == "hello\n"
    assert "payload.stdout" in installation.culm("job", "ls", number).stdout
    assert "sleep 0.2" in installation.culm("job", "ps", number).stdout
    outside = installation.culm("job", "tail", number, "../lock", check=False)
    assert (outside.returncode, "only what is in the job's directory" in outside.stderr) == (
        1,
        True,
    )
    installation.culm("task", "kill", task, "--yes")
    ended = installation.culm("task", "wait", task, check=False)
    assert ended.returncode == 1
    late = installation.culm("job", "tail", number, check=False)
    assert (late.returncode, "only a job that runs" in late.stderr) == (5, True)


def test_lost_output_is_recovered_and_metadata_read_back(installation: Installation) -> None:
    command = "echo x > %OUT; echo '{\"n\": 7}' > userJobMetadata.json"
    task = prun(installation, "lost", "--exec", command, "--outputs", "o.txt", "--skipScout")
    number, dataset = str(task["task_id"]), "user.root.lost_o.txt"
    found = json.loads(installation.culm("task", "metadata", number).stdout)
    assert [one["metadata"] for one in found] == [{"n": 7}]
    [path] = (installation.folder / "data" / "storage" / dataset).iterdir()
    path.unlink()
    dry = installation.culm("task", "recover", "--ds", dataset, "--dry-run")
    assert path.name in dry.stdout
    refused = installation.culm("task", "recover", number, check=False)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    done = installation.culm("task", "recover", number, "--yes")
    assert "1 inputs are processed again" in done.stderr
    installation.culm("task", "wait", number)
    assert output_of(installation, dataset) == "x\n"
    missing = installation.culm("task", "recover", check=False)
    assert (missing.returncode, "--ds" in missing.stderr) == (2, True)
