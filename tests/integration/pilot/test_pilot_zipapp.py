"""`pilot.pyz`: one file, no environment of ours, and it does the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from culm.wire.reports import ReportState
from tests.contract.pilot_server import PROVISIONING


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "pilot.pyz"
    subprocess.run([sys.executable, "-m", "pilot.bundle", str(out)], check=True)
    return out


def run(zipapp: Path, *options: str, token: str = "") -> subprocess.CompletedProcess[str]:
    # -I -S: nothing of the environment that runs the tests is found.
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    environment = {"PATH": "/usr/bin:/bin", "SHIV_ROOT": str(zipapp.parent / "shiv"),
                   "HOME": str(zipapp.parent), "NO_COLOR": "1"}  # fmt: skip
    return subprocess.run([python, "-I", "-S", str(zipapp), *options], env=environment, text=True,
                          input=token, capture_output=True, timeout=60, check=False,
                          cwd=zipapp.parent)  # fmt: skip


def test_help_names_the_options(zipapp):
    done = run(zipapp, "--help")
    assert done.returncode == 0, done.stderr
    assert "--idle-exit" in done.stdout


def test_one_job_runs_and_memory_is_measured(zipapp, server, a_job, tmp_path):
    server.add(a_job("sleep 1.3; echo from the zipapp"))
    done = run(zipapp, "--server", server.url, "--queue", "Q", "--token-file", "-", "--once",
               "--sample-period", "0.2", "--work-dir", str(tmp_path / "w"),
               token=PROVISIONING)  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = server.final(1)
    assert (report.state, report.output_tail) == (ReportState.FINISHED, "from the zipapp\n")
    assert report.metrics.max_pss_mb > 0
