"""PanDA's own pilot, unmodified, in a namespace of its own: it takes a job, runs and reports it.

Kinds of task one after the other: `tools/panda_pilot_run.py` (docs/how-to/panda-pilot.md has
what it printed).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.installation import Installation, wait_until
from tests.panda_pilot import source, why_not_isolated

pytestmark = pytest.mark.slow


def test_pandas_own_pilot_runs_a_job_with_input_and_sandbox(tmp_path: Path) -> None:
    reason = why_not_isolated()
    if reason:
        pytest.skip(f"no PID namespace here: {reason}")
    if sys.version_info >= (3, 13):
        pytest.skip("panda-pilot 3.7 imports pipes, which Python 3.13 has no more")
    unpacked = source()
    if isinstance(unpacked, str):
        pytest.skip(unpacked)
    parts = Installation(tmp_path, f"sqlite:///{tmp_path}/culm.db")
    try:
        parts.start_all(pilots=0)
        launcher = a_launcher(parts, unpacked)
        submit(parts)
        run_until_done(parts, launcher)
        lines, members = output(parts)
    finally:
        parts.stop()
    assert lines == ["data 0", "data 1", "hello"]
    assert members == ["x0.dat", "x1.dat"]
    with Books(parts.database_url) as books, books.read() as session:
        assert audit(session) == []


def a_launcher(parts: Installation, unpacked: Path) -> Path:
    token = parts.folder / "site.token"
    parts.culm("token", "issue", "--user", "site", "--roles", "pilot", "--queues", "LOCAL",
               "--out", str(token))  # fmt: skip
    written = parts.culm(
        "panda-pilot", "LOCAL", "--pilot", str(unpacked), "--token", str(token),
        "--out", str(parts.folder / "launcher"), "--python", sys.executable,
    )  # fmt: skip
    return Path(written.stdout.strip())


def submit(parts: Installation) -> None:
    work = parts.folder / "user"
    work.mkdir()
    (work / "hello.sh").write_text(
        "cat in0.dat in1.dat; echo hello; cp in0.dat x0.dat; touch x1.dat\n"
    )
    for n in range(2):
        (work / f"in{n}.dat").write_text(f"data {n}\n")
    parts.culm("dataset", "add", "user.root.in", *(str(work / f"in{n}.dat") for n in range(2)))
    for n in range(2):
        (work / f"in{n}.dat").unlink()
    parts.culm("prun", "--workDir", str(work), "--inDS", "user.root.in", "--nFilesPerJob", "2",
               "--outDS", "user.root.t", "--outputs", "out.txt,x*.dat", "--memory", "500",
               "--disk", "100", "--exec", "sh hello.sh %IN > out.txt")  # fmt: skip
    wait_until(lambda: status(parts) == "running", "a job to be there")


def status(parts: Installation) -> str:
    found: str = parts.api("GET", "/v1/tasks/10000001").json()["status"]
    return found


def run_until_done(parts: Installation, launcher: Path) -> None:
    """Their pilot lives for a minute after its last job: it is ended when the books have it."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = parts.environment | {"PANDA_PILOT_WORK": str(parts.folder), "PATH": path}
    with (parts.folder / "panda-pilot.log").open("wb") as log:
        pilot = subprocess.Popen([str(launcher), "-x", "1"], env=environment, stdout=log,
                                 stderr=log, start_new_session=True)  # fmt: skip
    try:
        wait_until(lambda: status(parts) in ("done", "finished", "failed"), parts.logs())
        assert status(parts) == "done", parts.logs()
    finally:
        # The namespace goes with its first process, and all in it.
        os.killpg(pilot.pid, signal.SIGKILL)
        pilot.wait()


def output(parts: Installation) -> tuple[list[str], list[str]]:
    """The lines of the output, and the names in the tarball of the wildcard."""
    folder = parts.folder / "got"
    for name in ("user.root.t_out.txt", "user.root.t_xXYZ.dat.tgz", "user.root.t.log"):
        parts.culm("dataset", "get", name, "--dir", str(folder))
    [text] = folder.rglob("*.out.txt")
    [packed] = folder.rglob("*.dat.tgz")
    [kept] = folder.rglob("*.log.tgz")
    assert kept.stat().st_size > 0
    shown = json.loads(parts.culm("task", "show", "10000001", "--json").stdout)
    assert shown["job_counts"] == {"finished": 1}
    with tarfile.open(packed) as archive:
        return text.read_text().splitlines(), archive.getnames()
