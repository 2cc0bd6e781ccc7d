"""The tutorial's commands, as they stand in the document, in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_demo import culm, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-task.md"


def test_commands_of_the_tutorial_work(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")} | {
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "CULM_SERVER_PORT": str(free_port()),
        "CULM_PREFECT_PORT": str(free_port()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    blocks = re.findall(r"```bash\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    up = culm(environment, tmp_path, "up", "--detach")
    assert up.returncode == 0, up.stderr
    try:
        script = "set -euo pipefail\n" + "".join(blocks)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        culm(environment, tmp_path, "down")
