"""The course of a job under PanDA's pilot: what is left, and what is said of failures."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from culm.core.archives import files_below
from culm.wire.error_codes import PilotError
from pilot.transforms.course import run_job
from pilot.transforms.orders import Orders


def run(here: Path, command: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    """The exit status of a job, and what it left for the report."""
    values: dict[str, Any] = {"source_url": "http://127.0.0.1:9/x", "outputs": {}}
    code = run_job(Orders(command=command, **(values | changes)), here)
    report: dict[str, Any] = json.loads((here / "jobReport.json").read_text())["culm"]
    return code, report


def test_outputs_get_their_names_and_patterns_become_tarballs(tmp_path: Path) -> None:
    (tmp_path / "in.dat").write_text("in")
    outputs = {"o": "u.o", "*.dat": "u.XYZ.dat.tgz"}
    code, report = run(
        tmp_path, "cp in.dat o; cp in.dat a.dat; mkdir sub", inputs=("in.dat",), outputs=outputs
    )
    assert (code, report["exit_code"], report["pilot_error_code"]) == (0, 0, 0)
    assert (tmp_path / "u.o").read_text() == "in"
    with tarfile.open(tmp_path / "u.XYZ.dat.tgz") as archive:
        assert archive.getnames() == ["a.dat"]
    # What the pilot packs as the log holds neither input nor output.
    assert [p.name for p in (tmp_path / "workDir").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("command", "changes", "code", "words"),
    [
        ("true", {"outputs": {"o": "u.o"}}, PilotError.MISSING_OUTPUT_FILE, "o"),
        ("true", {"archive": "a.tar.gz"}, PilotError.NO_USER_TARBALL, "a.tar.gz"),
        ("true", {"inputs": ("none",)}, PilotError.SETUP_FAILURE, "none"),
        ("echo x > userJobMetadata.json", {}, PilotError.PAYLOAD_EXECUTION_FAILURE, "is not JSON"),
        ("head -c 1000001 /dev/zero > userJobMetadata.json", {},
         PilotError.OUTPUT_FILE_TOO_LARGE, "1000001 bytes"),
        ("head -c 99999 /dev/urandom > x", {"builds": "u.lib.tgz", "max_lib_bytes": 10},
         PilotError.OUTPUT_FILE_TOO_LARGE, "a lib file holds at most 10"),
    ],
    ids=["no output", "no sandbox", "no input", "no JSON", "too large", "lib"],
)  # fmt: skip
def test_failure_has_a_code_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, changes: dict[str, Any],
    code: PilotError, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("pilot.transforms.fetching._PAUSE_SECONDS", 0.0)
    status, report = run(tmp_path, command, **changes)
    assert (status, report["pilot_error_code"]) == (1, code)
    assert words in report["pilot_error_diag"]


@pytest.mark.parametrize(("command", "status", "exit_code"), [
    ("exit 3", 3, 3), ("kill -9 $$", 137, -9),
])  # fmt: skip
def test_exit_status_is_the_payloads(
    tmp_path: Path, command: str, status: int, exit_code: int
) -> None:
    code, report = run(tmp_path, command, outputs={"o": "u.o"})
    assert (code, report["exit_code"], report["pilot_error_code"]) == (status, exit_code, 0)


def test_build_leaves_a_lib_file_with_which_a_job_begins(tmp_path: Path) -> None:
    build, job = tmp_path / "build", tmp_path / "job"
    build.mkdir()
    job.mkdir()
    assert run(build, "echo built > tool; ln -s tool link", builds="u.lib.tgz")[0] == 0
    (build / "u.lib.tgz").rename(job / "u.lib.tgz")
    code, _ = run(job, "cat tool link > o", lib="u.lib.tgz", outputs={"o": "u.o"})
    assert (code, (job / "u.o").read_text()) == (0, "built\nbuilt\n")
    assert files_below(job / "workDir") == []


def test_input_that_could_be_harmed_is_a_copy(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    stored.write_text("of the site")
    here = tmp_path / "job"
    here.mkdir()
    (here / "in").symlink_to(stored)
    assert run(here, "echo mine > in; cat in > o", inputs=("in",), outputs={"o": "u.o"})[0] == 0
    assert ((here / "u.o").read_text(), stored.read_text()) == ("mine\n", "of the site")


def test_payload_knows_nothing_of_the_pilots_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_AUTH_TOKEN", "token")
    monkeypatch.setenv("PILOT_HOME", "/x")
    run(tmp_path, "env > o; pwd >> o", outputs={"o": "u.o"})
    told = (tmp_path / "u.o").read_text()
    assert "OIDC" not in told
    assert "PILOT_HOME" not in told
    assert f"HOME={tmp_path}/workDir" in told


def test_logs_that_are_merged_stay_for_the_log(tmp_path: Path) -> None:
    (tmp_path / "l.tgz").write_text("log")
    run(tmp_path, "true", logs=("l.tgz",))
    assert [name for name, _ in files_below(tmp_path / "workDir")] == ["l.tgz"]
