"""`culm hpo` as far as it goes without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from culm.cli.main import run

SPACE = {"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a search space, and no settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CULM_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    return tmp_path


def test_dry_run_prints_the_task_and_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["hpo", "--evaluationExec", "sh e.sh", "--search-space-file", "space.json",
                "--maxPoints", "3", "--dry-run"])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert (code, found["command"], found["search"]["max_points"]) == (0, "sh e.sh", 3)
    assert found["search"]["space"] == SPACE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--maxPoint", "3"], "No such option: --maxPoint (Possible options: --max-points"),
        (["shwo", "1"], "No such command 'shwo'. Did you mean 'show'?"),
        ([], "--evaluationExec: missing - say what evaluates a point"),
        (["--maxPoints", "many"], "'--maxPoints'"),
    ],
)
def test_wrong_use_names_the_option_and_the_next_command(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["hpo", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "next: culm hpo --help" in error
