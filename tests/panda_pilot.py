"""PanDA's pilot for tests: its requests by their form, and the real one from its sdist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from server.panda.pilots.landing import place_of
from server.panda.pilots.transforms import program
from tests.server_scene import Caller

VERSION = "3.7.0.36"


def form(caller: Caller, call: str, **fields: Any) -> Any:
    """One of the older calls, as version 3.7 makes it: a form, the organisation as its origin."""
    return caller.post(
        f"/server/panda/{call}", content=urlencode(fields).encode(),
        headers={"Origin": "culm", "Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip


def get_job(caller: Caller, **fields: Any) -> dict[str, Any]:
    """What getJob answers."""
    asked = {"siteName": "LOCAL", "computingElement": "LOCAL", "node": "wn1", "mem": 24105.55,
             "diskSpace": 0, "prodSourceLabel": "user", "cpu": 2300.0}  # fmt: skip
    answer: dict[str, Any] = form(caller, "getJob", **(asked | fields)).json()
    return answer


def update(caller: Caller, job: dict[str, Any], state: str, **fields: Any) -> dict[str, Any]:
    """What updateJob answers."""
    said = {"jobId": job["PandaID"], "attemptNr": job["attemptNr"], "state": state, "node": "wn1",
            "siteName": "LOCAL"}  # fmt: skip
    answer: dict[str, Any] = form(caller, "updateJob", **(said | fields)).json()
    return answer


def write_outputs(job: dict[str, Any], storage: Path, text: str = "hello\n") -> str:
    """Write a job's outputs as their tool `mv` does; the file report of its last update."""
    report = {}
    for lfn in job["outFiles"].split(","):
        place = place_of(storage, job["PandaID"], lfn)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        report[lfn] = {"guid": "", "fsize": len(text), "surl": f"file://localhost{place}",
                       "adler32": f"{zlib.adler32(text.encode()):08x}"}  # fmt: skip
    return json.dumps(report)


def run_program(line: str, name: str, here: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as their pilot does: by its name, in the job's directory, by a shell."""
    (here / name).write_bytes(program())
    (here / name).chmod(0o755)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = os.environ | {"PATH": path}
    return subprocess.run(["/bin/sh", "-c", f"./{name} {line}"], cwd=here, capture_output=True,
                          text=True, check=False, env=own, timeout=60)  # fmt: skip


@cache
def source() -> Path | str:
    """The folder of the unpacked sdist, fetched once; in words why there is none."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache_home / "culm-tests" / f"panda-pilot-{VERSION}"
    if not (folder / "pilot.py").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Never installed: its package is called `pilot`, as ours is. The wheel has no pilot.py.
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary",
             "panda-pilot", "--dest", str(folder.parent), f"panda-pilot=={VERSION}"],
            check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if fetched.returncode:
            return f"panda-pilot cannot be fetched: {fetched.stderr[-300:]}"
        with tarfile.open(folder.parent / f"{folder.name}.tar.gz") as archive:
            archive.extractall(folder.parent, filter="data")
    return folder


def why_not_isolated() -> str:
    """Why a PID namespace cannot be made here; "" if it can."""
    try:
        made = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "true"],
            check=False, capture_output=True, text=True, timeout=20,
        )  # fmt: skip
    except OSError as error:
        return str(error)
    return made.stderr.strip() if made.returncode else ""
