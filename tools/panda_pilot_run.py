"""Runs tasks of every kind with PanDA's own pilot and prints what came of each.

`python -m tools.panda_pilot_run FOLDER SOURCE`: an installation of its own below FOLDER, with
the unpacked sdist of panda-pilot at SOURCE. The transcript is for docs/how-to/panda-pilot.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.installation import Installation

_SMALL = ("--memory", "500", "--disk", "100")
_SPACE = {"x": {"method": "uniform", "dimension": {"low": 0.0, "high": 1.0}}}
_LOSS = (
    "import json; x = json.load(open('input.json'))['x']; "
    "json.dump((x - 0.3) ** 2, open('output.json', 'w'))"
)
_EVALUATION = f'python3 -c "{_LOSS}"'


def main() -> None:
    """Run all kinds, then say how each task ended."""
    folder, source = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True)
    parts = Installation(folder, f"sqlite:///{folder}/culm.db")
    try:
        parts.start_all(pilots=0)
        launcher = _launcher(parts, source)
        parts.culm("secret", "set", "KEY", "s3cret")
        names = [_submit(parts, name, *words) for name, words in _tasks(parts).items()]
        names.append(_search(parts))
        for _ in range(6):
            started = time.monotonic()
            _pilot(parts, launcher)
            print(f"pilot: {time.monotonic() - started:.0f} s")
            if all(_show(parts, name)["final"] for name in names):
                break
        for name in names:
            found = _show(parts, name)
            print(name, found["status"], found["job_counts"], found.get("serving_counts", {}))
    finally:
        parts.stop()


def _tasks(parts: Installation) -> dict[str, tuple[str, ...]]:
    work = parts.folder / "work"
    work.mkdir()
    (work / "hello.sh").write_text("cat $1 $2; ls\n")
    (work / "add.py").write_text(
        "import sys\nprint(sum(int(open(n).read()) for n in sys.argv[4].split(',')),"
        " file=open(sys.argv[2], 'w'))\n"
    )
    for n in range(4):
        (work / f"in{n}.dat").write_text(f"data {n}\n")
    parts.culm("dataset", "add", "user.root.in", *(str(work / f"in{n}.dat") for n in range(3)))
    parts.culm("dataset", "add", "user.root.second", str(work / "in3.dat"))
    sent = ("--workDir", str(work))
    return {
        "noinput": ("--noSandbox", "--nJobs", "2", "--outputs", "out.txt,x*.dat", "--exec",
                    "echo hello %RNDM:5 > out.txt; echo a > x1.dat; echo b > x2.dat"),
        "input": (*sent, "--inDS", "user.root.in", "--secondaryDSs", "IN2:1:user.root.second",
                  "--nFilesPerJob", "3", "--outputs", "out.txt",
                  "--exec", "sh hello.sh $(echo %IN | tr , ' ') > out.txt; cat %IN2 >> out.txt"),
        "build": (*sent, "--bexec", "echo '#!/bin/sh\necho built' > tool; chmod +x tool",
                  "--nJobs", "1", "--outputs", "out.txt", "--exec", "./tool > out.txt"),
        "merge": (*sent, "--nJobs", "3", "--outputs", "n.txt", "--mergeOutput", "--mergeScript",
                  "python3 add.py -o %OUT -i %IN", "--exec", "echo %RNDM:5 > n.txt"),
        "secrets": ("--noSandbox", "--nJobs", "1", "--useSecrets", "--outputs", "out.txt",
                    "--exec", "cp panda_secrets.json out.txt"),
        "fails": ("--noSandbox", "--nJobs", "1", "--outputs", "out.txt", "--maxAttempt", "1",
                  "--exec", "echo no >&2; exit 3"),
    }  # fmt: skip


def _submit(parts: Installation, name: str, *words: str) -> str:
    ended = parts.culm("prun", "--outDS", f"user.root.{name}", *_SMALL, *words, check=False)
    if ended.returncode:
        raise SystemExit(f"{name}: {ended.stderr}")
    return f"user.root.{name}"


def _search(parts: Installation) -> str:
    space = parts.folder / "space.json"
    space.write_text(json.dumps(_SPACE))
    parts.culm("hpo", "--outDS", "user.root.search", "--evaluationExec", _EVALUATION,
               "--searchSpaceFile", str(space), "--maxPoints", "4", "--nParallelEvaluation", "2",
               "--noSandbox", *_SMALL)  # fmt: skip
    return "user.root.search"


def _show(parts: Installation, name: str) -> dict[str, object]:
    listed = json.loads(parts.culm("task", "list", "--json").stdout)
    task = next(each for each in listed if each["name"].rstrip("/") == name)
    found: dict[str, object] = json.loads(
        parts.culm("task", "show", str(task["task_id"]), "--json").stdout
    )
    return found


def _launcher(parts: Installation, source: Path) -> Path:
    token, out = parts.folder / "site.token", parts.folder / "launcher"
    parts.culm("token", "issue", "--user", "site", "--roles", "pilot", "--queues", "LOCAL",
               "--out", str(token))  # fmt: skip
    parts.culm("panda-pilot", "LOCAL", "--pilot", str(source), "--token", str(token),
               "--out", str(out), "--python", sys.executable)  # fmt: skip
    return out / "run.sh"


def _pilot(parts: Installation, launcher: Path) -> None:
    bin_first = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = parts.environment | {"PANDA_PILOT_WORK": str(parts.folder), "PATH": bin_first}
    with (parts.folder / "panda-pilot.log").open("ab") as log:
        subprocess.run([str(launcher), "-x", "1"], env=environment, stdout=log, stderr=log,
                       check=True, timeout=900)  # fmt: skip


if __name__ == "__main__":
    main()
