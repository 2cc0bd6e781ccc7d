"""A stranger's file that bears the name of a package is found before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from culm.core.errors import Shadowed
from culm.core.house import HOUSE, PACKAGES, check_house, shadow_of


def start_up(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`culm --version` in a folder that is first on the path."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{HOUSE}"}
    argv = [sys.executable, *options, "-m", "culm", "--version"]
    return subprocess.run(
        argv, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def test_our_own_packages_pass() -> None:
    check_house()


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "culm"])
@pytest.mark.parametrize("shape", ["module", "package"])
def test_start_up_names_the_file_that_shadows(tmp_path: Path, name: str, shape: str) -> None:
    stranger = tmp_path / (f"{name}.py" if shape == "module" else name)
    if shape == "module":
        stranger.write_text("raise SystemExit('a stranger ran')")
    else:
        stranger.mkdir()
        (stranger / "__init__.py").write_text("raise SystemExit('a stranger ran')")
    done = start_up(tmp_path)
    assert done.returncode == 1
    assert str(stranger) in done.stderr
    assert "CULM-9002" in done.stderr
    assert "a stranger ran" not in done.stderr + done.stdout


def test_folder_without_code_in_the_current_directory_shadows_nothing(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    done = start_up(tmp_path)
    assert (done.returncode, done.stdout[:4]) == (0, "culm")


def test_package_that_is_not_there_is_not_shadowed() -> None:
    assert shadow_of("a_package_that_nobody_has") is None


def test_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Shadowed) as caught:
        check_house(["culm"], tmp_path)
    assert "rename" in caught.value.hint
