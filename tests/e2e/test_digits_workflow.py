"""The digits analysis as a workflow: the commands of its page, with real processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    parts = Installation(tmp_path, f"sqlite:///{tmp_path}/culm.db")
    parts.start_all(pilots=1, slots=4)
    yield parts
    parts.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_analysis_ends_in_a_report_with_figures(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    shutil.copytree(ROOT / "examples" / "digits", folder)
    page = (ROOT / "docs" / "how-to" / "digits.md").read_text()
    (commands,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + commands], cwd=folder, text=True,
        env=installation.environment | {"PATH": path}, capture_output=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr + installation.logs()
    (report,) = (folder / "report").rglob("*report.html")
    text = report.read_text()
    assert "12 points were tried" in text
    assert text.count("<svg") == text.count("<figure>") == 2
    [unseen] = re.findall(r"and ([\d.]+)% of 599 images", text)
    assert float(unseen) < 5, "neighbours misread one digit in fifty; by chance it is nine in ten"
