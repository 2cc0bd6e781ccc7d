"""`culm demo` and the tutorial as a newcomer types them: all real, all in a place of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-task.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An installation that nobody else uses; nothing of it is left running."""
    home = tmp_path_factory.mktemp("home")
    found = {name: value for name, value in os.environ.items() if not name.startswith("CULM_")}
    found |= {
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "CULM_SERVER_PORT": str(free_port()),
        "CULM_PREFECT_PORT": str(free_port()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    yield found
    culm(found, home, "down")


def culm(
    environment: dict[str, str], folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "culm", *arguments]
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=400
    )


def demo(environment: dict[str, str], folder: Path, *arguments: str) -> dict[str, Any]:
    done = culm(environment, folder, "demo", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def audit(environment: dict[str, str], folder: Path) -> None:
    """The books add up; needs the database alone."""
    done = culm(environment, folder, "audit")
    assert done.returncode == 0, done.stdout + done.stderr


def expected_accuracy() -> float:
    """scikit-learn's own: each of 18 files by the nearest three of the others."""
    datasets = pytest.importorskip("sklearn.datasets")
    neighbors = pytest.importorskip("sklearn.neighbors")
    images, labels = datasets.load_digits(return_X_y=True)
    bounds = [len(images) * step // 18 for step in range(19)]
    n_right = 0
    for first, end in pairwise(bounds):
        rest = [*range(first), *range(end, len(images))]
        fitted = neighbors.KNeighborsClassifier(n_neighbors=3).fit(images[rest], labels[rest])
        n_right += int((fitted.predict(images[first:end]) == labels[first:end]).sum())
    return n_right / len(images)


def test_demo_finds_scikit_learns_accuracy(environment: dict[str, str], tmp_path: Path) -> None:
    found = demo(environment, tmp_path)
    assert found["accuracy"] == pytest.approx(expected_accuracy())
    assert found["n_files_sent"] == 18
    assert [task["status"] for task in found["tasks"]] == ["done", "done"]
    assert found["tasks"][0]["n_files_finished"] == 18
    assert (tmp_path / "culm-demo" / "confusion.svg").read_text().startswith("<svg")
    assert culm(environment, tmp_path, "up", "--status").returncode == 1, "still running"
    audit(environment, tmp_path)


def test_second_demo_reuses_the_dataset_and_keeps_running(
    environment: dict[str, str], tmp_path: Path
) -> None:
    found = demo(environment, tmp_path, "--keep", "--output", "found")
    assert found["n_files_sent"] == 0
    assert found["accuracy"] == pytest.approx(1765 / 1797)
    assert (tmp_path / "found" / "confusion.json").exists()
    # What runs is used, and not stopped by one who did not start it.
    again = demo(environment, tmp_path)
    assert again["seconds"] < found["seconds"]
    assert culm(environment, tmp_path, "up", "--status").returncode == 0
    assert culm(environment, tmp_path, "task", "list").stdout.count("done") >= 6


def test_commands_of_the_tutorial_work(environment: dict[str, str], tmp_path: Path) -> None:
    """As they stand in the document, in a shell, over what the demo left running."""
    _have_it_running(environment, tmp_path)
    blocks = re.findall(r"```bash\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    done = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + "".join(blocks)], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_down_stops_what_the_demo_left(environment: dict[str, str], tmp_path: Path) -> None:
    _have_it_running(environment, tmp_path)
    assert culm(environment, tmp_path, "down").returncode == 0
    assert culm(environment, tmp_path, "up", "--status").returncode == 1
    audit(environment, tmp_path)


def _have_it_running(environment: dict[str, str], folder: Path) -> None:
    """Start everything if the test before has not: when a test runs alone."""
    if culm(environment, folder, "up", "--status").returncode != 0:
        assert culm(environment, folder, "up", "--detach").returncode == 0
