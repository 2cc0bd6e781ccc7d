"""`culm run`: a task tried here, by the real stages and the pilot's own runner."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from culm.cli.main import run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a script and three input files; no server anywhere."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CULM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CULM_SERVER_URL", "http://127.0.0.1:9")
    (work / "a.sh").write_text("cat tool $1 > out.txt; echo seed $2\n")
    for number in range(3):
        (tmp_path / f"f{number}.txt").write_text(f"line {number}\n")
    return tmp_path


def tried(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """The exit code and what was printed as JSON."""
    code = run(["run", *words, "--runDir", str(folder / "run"), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_build_jobs_and_merge_run_as_a_pilot_runs_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = ",".join(str(folder / f"f{number}.txt") for number in range(3))
    code, found = tried(
        folder, capsys, "--exec", "sh a.sh %IN %RNDM:10", "--inFiles", inputs, "--limit", "2",
        "--outputs", "out.txt", "--bexec", "echo built > tool", "--mergeOutput",
    )  # fmt: skip
    assert code == 0
    assert [(job["kind"], job["state"]) for job in found["jobs"]] == [
        ("build", "finished"), ("run", "finished"), ("run", "finished"), ("merge", "finished"),
    ]  # fmt: skip
    assert found["jobs"][1]["command"] == "sh a.sh f0.txt 10"
    assert found["jobs"][2]["output_tail"] == "seed 11\n"
    (merged,) = [o["path"] for o in found["outputs"] if o["path"].endswith("_000004.out.txt")]
    assert Path(merged).read_text() == "built\nline 0\nbuilt\nline 1\n"


def test_payload_that_fails_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = tried(folder, capsys, "--exec", "echo so far; exit 3", "--nJobs", "5")
    assert code == 1
    (job,) = found["jobs"]
    assert (job["exit_code"], job["output_tail"]) == (3, "so far\n")
    assert "exit status 3" in job["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--inFiles", "nothing.dat"], "file nothing.dat does not exist"),
        (["--inFiles", "a.sh", "--inDS", "x"], "--inFiles: given - not together with --inDS"),
        (["--runDir", "."], "--runDir: . - is there already"),
        (["--nJobs", "0"], "--nJobs"),
    ],
)
def test_wrong_use_is_told(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    before = set(Path(tempfile.gettempdir()).glob("culm-run-*"))
    assert run(["run", "--exec", "true", *words]) == 2
    assert said in capsys.readouterr().err
    assert set(Path(tempfile.gettempdir()).glob("culm-run-*")) == before
