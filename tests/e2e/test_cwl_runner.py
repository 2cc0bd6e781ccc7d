"""`culm cwl-runner` with real processes: the how-to as it is written, and its exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "cwl-tools.md"
FAILS = (
    "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: [sh, -c, 'echo no luck; exit 3']\n"
    "inputs: []\noutputs: []\n"
)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    parts = Installation(tmp_path, f"sqlite:///{tmp_path}/culm.db")
    yield parts
    parts.stop()


def _run(parts: Installation, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return _culm(parts, folder, "cwl-runner", "--quiet", *words)


def _culm(parts: Installation, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    token = {"CULM_TOKEN_FILE": str(parts.folder / "data" / "tokens" / "user.token")}
    return subprocess.run(
        [sys.executable, "-m", "culm", *words], cwd=folder, text=True,
        env=parts.environment | token, capture_output=True, check=False, timeout=150,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_how_to_runs_as_it_is_written_and_exit_codes_are_those_of_cwl_runners(
    installation: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "howto"
    folder.mkdir()
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (folder / name).write_text(text)
    (commands,) = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    *inputs, _ = commands.strip().splitlines()
    subprocess.run(["bash", "-ec", "\n".join(inputs)], cwd=folder, check=True)
    installation.start_all(pilots=1, slots=4)
    done = _run(installation, folder, "--outdir", "result", "both.cwl", "job.yml")
    assert done.returncode == 0, done.stderr + installation.logs()
    found = json.loads(done.stdout)
    assert found["n"] == 2
    assert [Path(one["path"]).read_text() for one in found["uppers"]] == ["ONE\n", "TWO\n"]
    assert [one["basename"] for one in found["uppers"]] == ["a.upper", "b.upper"]
    assert {one["size"] for one in found["uppers"]} == {4}
    assert all(one["checksum"].startswith("sha1$") for one in found["uppers"])

    chained = _culm(installation, folder, "chain", "--cwl", "both.cwl", "--yaml", "job.yml",
                    "--outDS", "user.root.both", "--wait", "--json")  # fmt: skip
    assert chained.returncode == 0, chained.stderr
    assert json.loads(chained.stdout)["status"] == "done"

    (folder / "fails.cwl").write_text(FAILS)
    failed = _run(installation, folder, "fails.cwl")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "the tool failed" in failed.stderr
    needy = FAILS + "requirements: {InplaceUpdateRequirement: {inplaceUpdate: true}}\n"
    (folder / "needy.cwl").write_text(needy)
    unsupported = _run(installation, folder, "needy.cwl")
    assert (unsupported.returncode, unsupported.stdout) == (33, "")
    assert "inplaceUpdate" in unsupported.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_it_needs_is_started_for_the_length_of_the_run(
    installation: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / "hello.cwl").write_text(
        FAILS.replace("echo no luck; exit 3", "echo hello").replace("outputs: []",
        "stdout: hello.txt\noutputs: {said: stdout}")
    )  # fmt: skip
    done = _run(installation, folder, "hello.cwl")
    assert done.returncode == 0, done.stderr
    assert (folder / "hello.txt").read_text() == "hello\n"
    assert json.loads(done.stdout)["said"]["basename"] == "hello.txt"
    assert not installation.answers(), "what was started is stopped"
