"""Real merges: outputs of many jobs become few files, whose contents are looked at."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.audit import audit
from tasks.stages.unmerged import drop_unmerged
from tasks.store.books import Books
from tests.installation import Installation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("merges")
    url = f"sqlite:///{folder}/culm.db"
    parts = Installation(folder, url)
    parts.start_all(pilots=1, slots=2, batch=2)
    yield parts
    parts.stop()
    with Books(url) as books, books.read() as session:
        assert audit(session) == []


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A script that adds up the numbers in files, sent along."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "add.py").write_text(
        "import sys\n"
        "names = sys.argv[4].split(',')\n"
        "assert sys.argv[1] == '-o' and sys.argv[3] == '-i'\n"
        "print(sum(int(open(n).read()) for n in names), file=open(sys.argv[2], 'w'))\n"
    )
    return folder


def submit(parts: Installation, name: str, *options: str) -> tuple[int, Any]:
    """Submit and wait for the end: the exit code, and the task."""
    ended = parts.culm(
        "prun", "--outDS", f"user.root.{name}", "--memory", "500", "--disk", "100", "--wait",
        "--json", *options, check=False,
    )  # fmt: skip
    assert ended.stdout, ended.stderr + parts.logs()
    return ended.returncode, json.loads(ended.stdout)


def contents(parts: Installation, folder: Path, dataset: str) -> list[Path]:
    parts.culm("dataset", "get", dataset, "--dir", str(folder / dataset))
    return sorted((folder / dataset).rglob("user.*"))


def test_outputs_are_merged_by_what_their_names_say(
    installation: Installation, tmp_path: Path
) -> None:
    code, task = submit(
        installation, "bynames", "--noSandbox", "--nJobs", "5", "--mergeOutput",
        "--nFilesPerMergeJob", "3", "--outputs", "lines.txt,blob.dat",
        "--exec", "echo line %RNDM:0 > lines.txt; echo blob %RNDM:0 > blob.dat",
    )  # fmt: skip
    assert (code, task["status"], task["n_files_finished"]) == (0, "done", 5)
    assert (task["job_counts"], task["serving_counts"]) == (
        {"finished": 7}, {"merge": {"finished": 2}})  # fmt: skip
    lines = contents(installation, tmp_path, "user.root.bynames_lines.txt")
    read = [path.read_text().splitlines() for path in lines]
    assert sorted(map(len, read)) == [2, 3]
    assert sorted(line for some in read for line in some) == [f"line {n}" for n in range(5)]
    blobs = contents(installation, tmp_path, "user.root.bynames_blob.dat")
    assert [path.name.endswith("blob.dat.tgz") for path in blobs] == [True, True]
    assert sorted(_members(blobs)) == [f"blob {n}\n" for n in range(5)]
    # The log of a merge holds the logs of the jobs whose output it merged.
    logs = contents(installation, tmp_path, "user.root.bynames.log")
    inside = [name for path in logs for name in _names(path)]
    assert sum(name.endswith(".log.tgz") for name in inside) == 5
    _unmerged_files_go(installation)


def _unmerged_files_go(parts: Installation) -> None:
    storage = parts.folder / "data" / "storage"
    assert list(storage.glob("*.unmerged"))
    with Books(parts.database_url) as books:
        assert drop_unmerged(books) == "15 unmerged files dropped"
    assert not list(storage.glob("*.unmerged"))


def _members(archives: list[Path]) -> list[str]:
    found = []
    for path in archives:
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                found.append(content.read().decode())
    return found


def _names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_own_script_merges_with_what_was_sent_along(
    installation: Installation, scripts: Path, tmp_path: Path
) -> None:
    code, task = submit(
        installation, "byscript", "--workDir", str(scripts), "--nJobs", "4", "--mergeOutput",
        "--mergeScript", "python3 add.py -o %OUT -i %IN", "--outputs", "n.num",
        "--exec", "echo %RNDM:1 > n.num",
    )  # fmt: skip
    assert (code, task["status"]) == (0, "done")
    [merged] = contents(installation, tmp_path, "user.root.byscript_n.num")
    assert merged.read_text() == "10\n"
    shown = installation.culm("task", "show", str(task["task_id"])).stdout
    assert "of them merge\t1 finished" in shown


def test_merge_script_that_writes_nothing_ends_the_task_and_is_named(
    installation: Installation,
) -> None:
    code, task = submit(
        installation, "nothing", "--noSandbox", "--nJobs", "2", "--mergeOutput", "--mergeScript",
        "true %IN %OUT", "--outputs", "n.num", "--exec", "echo 1 > n.num", "--maxAttempt", "1",
    )  # fmt: skip
    assert (code, task["status"]) == (1, "failed")
    assert "merge job" in task["reason"]
    assert "did not write an output file: n.num" in task["reason"]
