"""The same chain of ten `true` steps by cwltool, Toil, Snakemake and Culm, in one run.

python -m bench.engines --venvs /tmp/engines          # makes an environment for each engine there
python -m bench.engines --venvs /tmp/engines --repeats 5 --json

Each engine runs the chain as its users would, one command from its start to the end of the chain.
The floor is a shell that does the same ten commands. An engine that cannot be installed is left
out, with a word. Culm is measured twice: on an installation that is up (`culm up --no-prefect`),
and from nothing: `culm up`, the chain, its end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import cwl_documents
from bench.processes import free_port

STEPS = 10
GOAL = "goal: Culm's chain costs at most 10 s more than the floor"
FLOOR = "floor: sh"
Run = Callable[[Path, int], None]
"""Runs a chain of so many steps in an empty folder, to its end."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: how it is called, what pip installs, and the command without its documents."""

    name: str
    package: str
    program: str
    options: tuple[str, ...]
    snakefile: bool = False


ENGINES = (
    Engine("cwltool", "cwltool", "cwltool", ("--quiet", "--outdir", "out")),
    Engine("Toil", "toil[cwl]", "toil-cwl-runner",
           ("--logError", "--outdir", "out", "--jobStore", "jobs")),
    Engine("Snakemake", "snakemake", "snakemake", ("--quiet", "all", "--cores"), snakefile=True),
)  # fmt: skip


def commanded(engine: Engine, venv: Path) -> Run:
    """A run by an engine's command."""

    def run(folder: Path, n_steps: int) -> None:
        words = [str(venv / "bin" / engine.program), *engine.options]
        if engine.snakefile:
            (folder / "Snakefile").write_text(cwl_documents.snakefile(n_steps))
            words.append(str(len(os.sched_getaffinity(0))))
        else:
            (folder / "chain.cwl").write_text(cwl_documents.standard_chain(n_steps))
            (folder / "true.cwl").write_text(cwl_documents.TRUE_TOOL)
            words.append("chain.cwl")
        path = f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        _done(words, folder, {**os.environ, "PATH": path})

    return run


def shell(folder: Path, n_steps: int) -> None:
    """The floor: the commands one after another, and nothing else."""
    lines = "".join(f"sh -c 'true > s{number}.txt'\n" for number in range(n_steps))
    _done(["sh", "-ec", lines], folder)


class Culm:
    """An installation as `culm up` makes it, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.n_runs, self.user = folder, 0, ""
        kept = {name: v for name, v in os.environ.items() if not name.startswith("CULM_")}
        self.environment = kept | {
            "CULM_DATA_DIR": str(folder / "data"),
            "CULM_SERVER_PORT": str(free_port()),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def up(self) -> None:
        """Start all parts; the server answers when this returns."""
        self._culm("up", "--no-prefect", "--detach")
        self.user = str(json.loads(self._culm("whoami", "--json"))["user"])

    def down(self) -> None:
        """Stop all parts."""
        self._culm("down")

    def run(self, folder: Path, n_steps: int) -> None:
        """Run a chain by `culm chain`, on what is up."""
        (folder / "chain.cwl").write_text(cwl_documents.chain(n_steps))
        self.n_runs += 1
        name = f"user.{self.user}.chain{self.n_runs}"
        self._culm("chain", "--cwl", "chain.cwl", "--outDS", name, "--wait", folder=folder)

    def _culm(self, *words: str, folder: Path | None = None) -> str:
        argv = [sys.executable, "-m", "culm", *words]
        return _done(argv, folder or self.folder, self.environment)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table, in seconds: a chain, the least of its times.

    `over` is that less the floor; `further` what each step after the first adds.
    """

    engine: str
    version: str
    seconds: float
    over: float
    per_step: float
    further: float | None
    n: int


def measure(venvs: Path, repeats: int) -> list[Line]:
    """The table: the floor, then each engine that there is."""
    with tempfile.TemporaryDirectory(prefix="culm-engines-") as name:
        folder = Path(name)
        floor = _times(FLOOR, shell, folder, repeats)
        lines = [_line(FLOOR, "", floor, min(floor[STEPS]))]
        for engine in ENGINES:
            venv = venvs / engine.name.lower()
            version = _installed(engine, venv)
            if version:
                times = _times(engine.name, commanded(engine, venv), folder, repeats)
                lines.append(_line(engine.name, version, times, min(floor[STEPS])))
        lines += _ours(folder, repeats, min(floor[STEPS]))
    return lines


def _ours(folder: Path, repeats: int, floor: float) -> list[Line]:
    version = _done([sys.executable, "-m", "culm", "--version"], folder).split()[-1]
    one = Culm(folder / "culm")
    one.up()
    try:
        running = _times("Culm, running", one.run, folder, repeats)
    finally:
        one.down()
    cold: list[float] = []
    for number in range(repeats):
        # From nothing each time: keys, database, all parts. What stops them is not counted.
        another = Culm(folder / f"cold{number}")
        started = time.perf_counter()
        try:
            another.up()
            another.run(_empty(folder), STEPS)
            cold.append(_said("Culm, from nothing", time.perf_counter() - started))
        finally:
            another.down()
    return [_line("Culm, running", version, running, floor),
            _line("Culm, from nothing", version, {STEPS: cold}, floor)]  # fmt: skip


def _times(name: str, run: Run, folder: Path, repeats: int) -> dict[int, list[float]]:
    """Seconds by number of steps. What the first run alone pays for is not counted."""
    run(_empty(folder), 1)
    found: dict[int, list[float]] = {1: [], STEPS: []}
    for _ in range(repeats):
        for n_steps, seconds in found.items():
            place = _empty(folder)
            started = time.perf_counter()
            run(place, n_steps)
            seconds.append(_said(f"{name}, {n_steps}", time.perf_counter() - started))
    return found


def _said(what: str, seconds: float) -> float:
    print(f"  {what}: {seconds:.2f} s", file=sys.stderr)
    return seconds


def _empty(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def _line(name: str, version: str, times: Mapping[int, Sequence[float]], floor: float) -> Line:
    seconds = min(times[STEPS])
    further = (seconds - min(times[1])) / (STEPS - 1) if 1 in times else None
    over = seconds - floor
    return Line(name, version, seconds, over, over / STEPS, further, len(times[STEPS]))


def _installed(engine: Engine, venv: Path) -> str:
    """The version of an engine in an environment of its own, made if need be; empty: it cannot."""
    python = venv / "bin" / "python"
    try:
        if not (venv / "bin" / engine.program).exists():
            print(f"  installing {engine.package} ...", file=sys.stderr)
            _done([sys.executable, "-m", "venv", str(venv)])
            _done([str(python), "-m", "pip", "install", "--quiet", engine.package])
        name = engine.package.partition("[")[0]
        ask = f"from importlib.metadata import version; print(version({name!r}))"
        return _done([str(python), "-c", ask]).strip()
    except RuntimeError as error:
        print(f"  {engine.name} is left out: {error}", file=sys.stderr)
        return ""


def _done(
    argv: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it failed; with its last words.
    """
    done = subprocess.run(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-800:]
        raise RuntimeError(f"{Path(argv[0]).name} failed ({done.returncode}): {words}")
    return done.stdout


def print_table(lines: Sequence[Line]) -> None:
    """Print lines for people."""
    print(f"{'':20}{'version':>22}{'total':>8}{'over':>8}{'a step':>8}{'further':>9}{'of':>4}")
    for line in lines:
        further = f"{line.further:.2f}" if line.further is not None else ""
        print(f"{line.engine:20}{line.version:>22}{line.seconds:>8.2f}{line.over:>8.2f}"
              f"{line.per_step:>8.2f}{further:>9}{line.n:>4}")  # fmt: skip
    print("seconds; over: less the floor; a step: a tenth of that; further: each after the first")
    print(GOAL)


def main() -> None:
    """Measure, print."""
    words = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="python -m bench.engines", description=words)
    parser.add_argument("--venvs", type=Path, required=True, help="where engines are installed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    wanted = parser.parse_args()
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    machine = f"{cores} cores, load {load:.1f} before, Python {platform.python_version()}"
    lines = measure(wanted.venvs.resolve(), wanted.repeats)
    if wanted.json:
        print(json.dumps({"machine": machine, "lines": [asdict(line) for line in lines]}))
    else:
        print(machine)
        print_table(lines)


if __name__ == "__main__":
    main()
