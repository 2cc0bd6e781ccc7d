"""Options from a file, and the help in groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from culm.cli.main import run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CULM_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_command_line_wins_over_the_file_even_with_a_default(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"exec": "true", "nJobs": 4, "maxAttempt": 5, "outputs": ["a", "b"]}
    (folder / "o.json").write_text(json.dumps(options))
    assert run(["prun", "--loadJson", "o.json", "--maxAttempt", "3", "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["command"], found["n_jobs"], found["outputs"]) == ("true", 4, ["a", "b"])
    assert found.get("max_attempts", 3) == 3


@pytest.mark.parametrize("command", ["prun", "hpo", "chain", "pathena"])
def test_unknown_option_of_a_file_names_the_nearest(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (folder / "o.json").write_text('{\n"noSandbx": true}')
    assert run([command, "--loadJson", "o.json"]) == 2
    error = capsys.readouterr().err
    assert "--loadJson o.json:2: noSandbx: True - unknown; did you mean noSandbox?" in error
    assert f"next: culm {command} --help" in error


def test_chain_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chain"]) == 2
    assert "--cwl: missing - name the workflow" in capsys.readouterr().err


def test_help_shows_the_common_groups_and_names_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["prun", "--help"]) == 0
    short = capsys.readouterr().out
    assert "--inDS" in short
    assert "--mergeScript" not in short
    assert "How output is merged" in short
    assert run(["prun", "--helpGroup", "Merge"]) == 0
    merge = capsys.readouterr().out
    assert "--mergeScript" in merge
    assert "--inDS" not in merge
    assert run(["prun", "--helpGroup", "ALL"]) == 0
    every = capsys.readouterr().out
    assert all(flag in every for flag in ("--mergeScript", "--inDS", "--dry-run", "--vo"))


def test_unknown_group_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prun", "--helpGroup", "inputs"]) == 2
    error = capsys.readouterr().err
    assert "did you mean input?" in error
    assert "next: culm prun --helpGroup ALL" in error
