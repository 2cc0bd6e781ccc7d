"""Real builds: sources are sent, built once a queue, and used by every run job."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tests.installation import Installation

pytestmark = pytest.mark.slow

TOOL = """
import sys
def main() -> None:
    words = [word for name in sys.argv[1].split(",") for word in open(name).read().split()]
    print(len(words), max(words))
"""
# A program is packed from its sources, as a compiler would make one; a link stands in for a
# library's short name. How often it was built is written outside of the jobs' directories.
BUILD = (
    "mkdir bin && python3 -m zipapp src -o bin/tool -m tool:main -p '/usr/bin/env python3' "
    "&& ln -s bin/tool tool && rm -r src && echo built >> {record}"
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("builds")
    url = f"sqlite:///{folder}/culm.db"
    parts = Installation(folder, url)
    parts.start_all(pilots=1, slots=2, batch=2)
    with Books(url) as books, books.write() as session:
        set_value(session, "BUILD_LIB_MAX_user", "1", "root")
    yield parts
    parts.stop()
    with Books(url) as books, books.read() as session:
        assert audit(session) == []


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "src").mkdir()
    (folder / "src" / "tool.py").write_text(TOOL)
    return folder


def submit(parts: Installation, sources: Path, name: str, *options: str) -> tuple[int, Any]:
    """Submit with the sources and wait for the end: the exit code, and the task."""
    ended = parts.culm(
        "prun", "--workDir", str(sources), "--outDS", f"user.root.{name}", "--memory", "500",
        "--disk", "100", "--wait", "--json", *options, check=False,
    )  # fmt: skip
    assert ended.stdout, ended.stderr + parts.logs()
    return ended.returncode, json.loads(ended.stdout)


def jobs_of(parts: Installation, task_id: int, *options: str) -> list[dict[str, Any]]:
    ended = parts.culm("job", "list", str(task_id), "--json", *options, check=False)
    assert ended.returncode == 0, ended.stderr
    found = ended.stdout
    jobs: list[dict[str, Any]] = json.loads(found)
    return jobs


def test_run_jobs_use_what_was_built_once(
    installation: Installation, sources: Path, tmp_path: Path
) -> None:
    record, data = tmp_path / "record", tmp_path / "data"
    data.mkdir()
    for number in range(5):
        (data / f"text{number}.txt").write_text(f"some words {'z' * (number + 1)}")
    installation.culm("dataset", "add", "user.root.texts", *map(str, sorted(data.iterdir())))
    code, task = submit(
        installation, sources, "built", "--bexec", BUILD.format(record=record),
        "--exec", "./tool %IN > out.txt && test ! -d src", "--inDS", "user.root.texts",
        "--nFilesPerJob", "1", "--outputs", "out.txt",
    )  # fmt: skip
    assert (code, task["status"], task["serving_counts"]) == (
        0, "done", {"build": {"finished": 1}})  # fmt: skip
    assert record.read_text() == "built\n"
    installation.culm("dataset", "get", "user.root.built_out.txt", "--dir", str(tmp_path / "got"))
    got = sorted(path.read_text() for path in (tmp_path / "got").rglob("*out.txt"))
    assert got == [f"3 {'z' * (number + 1)}\n" for number in range(5)]
    [build] = jobs_of(installation, task["task_id"], "--kind", "build")
    assert (build["kind"], build["status"], build["priority"]) == ("build", "finished", 2000)
    _logs_hold_no_lib(installation, task["task_id"], tmp_path)


def _logs_hold_no_lib(parts: Installation, task_id: int, folder: Path) -> None:
    ids = ",".join(str(job["job_id"]) for job in jobs_of(parts, task_id))
    parts.culm("job", "logs", ids, "--download", str(folder / "logs"))
    archives = list((folder / "logs").rglob("*.tgz"))
    assert len(archives) == 6
    for path in archives:
        with tarfile.open(path) as archive:
            assert set(archive.getnames()) <= {"payload.stdout", "payload.stderr"}


def test_build_that_fails_ends_the_task_and_is_named(
    installation: Installation, sources: Path
) -> None:
    code, task = submit(
        installation, sources, "unbuilt", "--bexec", "echo no such header >&2; exit 2",
        "--exec", "true", "--nJobs", "3", "--maxAttempt", "2",
    )  # fmt: skip
    assert (code, task["status"]) == (1, "failed")
    assert "failed at queue LOCAL" in task["reason"]
    assert "exit status 2: no such header" in task["reason"]
    assert sorted((j["kind"], j["status"]) for j in jobs_of(installation, task["task_id"])) == [
        *[("build", "failed")] * 2, *[("run", "closed")] * 3]  # fmt: skip


def test_build_that_leaves_too_much_is_told_so(installation: Installation, sources: Path) -> None:
    code, task = submit(
        installation, sources, "toolarge", "--bexec", "head -c 3000000 /dev/urandom > big",
        "--exec", "true", "--maxAttempt", "1",
    )  # fmt: skip
    assert (code, task["status"]) == (1, "failed")
    assert "the build (--bexec) leaves 3.0 MB packed, a lib file holds at most 1.0 MB" in (
        task["reason"])  # fmt: skip
