"""How fast workflows are: looked at, spread out, run; and how soon a step follows its parents.

python -m bench.workflows                        # all: some ten minutes on 2 cores
python -m bench.workflows --only check,chain     # parts of it
python -m bench.workflows --repeats 5 --json --out bench/results/workflows.json

Everything is done by commands, as users give them, on an installation of real processes: server,
daemon without Prefect, one pilot with a slot for each core. Each step runs `true`, really.
See bench/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import text

from bench import cwl_documents, ours
from bench.processes import wait_until

CHAIN = 10
CHECKED = (100, 1000)
WIDTH = 10
SCATTERED = 10_000
QUIET = (60, 2)
"""Steps and width of the workflow that shows how soon a step follows: never more than slots."""
LARGE = (1000, 50)
"""Steps and width of the workflow that is run to its end."""
ALL_MADE = f"scatter of {SCATTERED:,}: command → all tasks made"
PILOT_BATCH = 10
PATIENCE_SECONDS = 1800.0
GOALS = {
    f"check of {CHECKED[0]} steps, s": 3.0,
    f"check of {CHECKED[1]:,} steps, s": 25.0,
    f"{ALL_MADE}, s": 10.0,
    f"chain of {CHAIN} from command to end, s": 10.0,
    "parents ended → task made, p95, s": 1.0,
    "parents ended → job with a pilot, p95, s": 1.0,
}


@dataclass(slots=True)
class Results:
    """All figures by name, each as often as it was measured."""

    machine: str
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Keep a figure, and say it while the run goes on."""
        self.figures.setdefault(name, []).append(value)
        print(f"  {name}: {value:.3f}", file=sys.stderr)


@dataclass(slots=True)
class Scene:
    """An installation, the folder with the documents, and the figures."""

    one: ours.Ours
    folder: Path
    results: Results

    def out_ds(self) -> str:
        """A name that no workflow has yet."""
        return f"user.{self.one.user}.w{next(self.one.names)}"

    def write(self, name: str, document: str) -> str:
        """Write a document; gives its name."""
        (self.folder / name).write_text(document)
        return name

    def chain(self, *words: str) -> str:
        """Give the command `culm chain` in the folder; gives what it printed."""
        return self.one.culm("chain", "--outDS", self.out_ds(), *words, folder=self.folder)


def check(scene: Scene) -> None:
    """`culm chain --check` of layered workflows."""
    for n_steps in CHECKED:
        cwl = scene.write(f"layers{n_steps}.cwl", cwl_documents.layers(n_steps, WIDTH))
        seconds = timed(partial(scene.chain, "--cwl", cwl, "--check"))
        scene.results.add(f"check of {n_steps:,} steps, s", seconds)


def scatter(scene: Scene) -> None:
    """`culm chain` of a wide scatter until all of its tasks are in the books."""
    started = time.perf_counter()
    workflow = int(scene.chain(*_wide(scene)))
    scene.results.add(f"scatter of {SCATTERED:,}: the command, s", time.perf_counter() - started)
    wait_until(lambda: n_tasks(scene.one, workflow) == SCATTERED, "tasks", PATIENCE_SECONDS)
    scene.results.add(f"{ALL_MADE}, s", time.perf_counter() - started)


def _wide(scene: Scene) -> tuple[str, ...]:
    """The options of a wide scatter."""
    cwl = scene.write("wide.cwl", cwl_documents.scatter())
    commands = [f"true {number} > a.txt" for number in range(SCATTERED)]
    yaml = scene.write("wide.yaml", json.dumps({"commands": commands}))
    return "--cwl", cwl, "--yaml", yaml


def chain(scene: Scene) -> None:
    """A chain of ten trivial steps, from the command to the end of the workflow."""
    cwl = scene.write("chain.cwl", cwl_documents.chain(CHAIN))
    seconds = timed(lambda: scene.chain("--cwl", cwl, "--wait"))
    scene.results.add(f"chain of {CHAIN} from command to end, s", seconds)


def follow(scene: Scene) -> None:
    """How soon a step follows its parents, where a slot is always free for it."""
    steps, width = QUIET
    cwl = scene.write("quiet.cwl", cwl_documents.layers(steps, width))
    gaps = follow_seconds(scene.one, int(scene.chain("--cwl", cwl, "--wait")))
    _spread(scene.results, "parents ended → task made", [gap.made for gap in gaps])
    _spread(scene.results, "parents ended → job with a pilot", [gap.taken for gap in gaps])


def large(scene: Scene) -> None:
    """A workflow of a thousand steps, run to its end by the pilot: each a task with a real job."""
    steps, width = LARGE
    cwl = scene.write("large.cwl", cwl_documents.layers(steps, width))
    started = time.perf_counter()
    workflow = int(scene.chain("--cwl", cwl, "--wait"))
    seconds = time.perf_counter() - started
    scene.results.add(f"{steps:,} steps run to the end, s", seconds)
    scene.results.add(f"{steps:,} steps run to the end, steps/s", steps / seconds)
    made = [gap.made for gap in follow_seconds(scene.one, workflow)]
    _spread(scene.results, f"of {steps:,} steps: parents ended → task made", made)


def wide(scene: Scene) -> None:
    """A wide scatter run to its end by the pilot: each branch is a task with a real job."""
    options = _wide(scene)
    seconds = timed(lambda: scene.chain(*options, "--wait"))
    scene.results.add(f"scatter of {SCATTERED:,} run to the end, s", seconds)
    scene.results.add(f"scatter of {SCATTERED:,} run to the end, branches/s", SCATTERED / seconds)


@dataclass(frozen=True, slots=True)
class Gap:
    """Seconds from the end of a step's last parent until its task was made, and sent to a pilot."""

    made: float
    taken: float


def follow_seconds(one: ours.Ours, workflow_id: int) -> list[Gap]:
    """The gaps of all steps that have parents, by the books' own clock."""
    with one.engine.connect() as connection:
        rows = connection.execute(_TIMES, {"workflow": workflow_id}).all()
    ended = {row.instance: _at(row.ended_at) for row in rows}
    gaps = []
    for row in rows:
        parents = json.loads(row.parents) if isinstance(row.parents, str) else row.parents
        if parents:
            last = max(ended[parent] for parent in parents)
            gaps.append(Gap(_at(row.made_at) - last, _at(row.taken_at) - last))
    return gaps


_TIMES = text("""
SELECT s.instance, s.parents, t.ended_at, t.created_at AS made_at, MIN(h.at) AS taken_at
FROM workflow_step s JOIN task t ON t.id = s.task_id JOIN job j ON j.task_id = t.id
JOIN status_history h ON h.noun = 'job' AND h.entity_id = j.id AND h.to_status = 'sent'
WHERE s.workflow_id = :workflow
GROUP BY s.id, s.instance, s.parents, t.ended_at, t.created_at
""")
"""The parents of a step have ended when their tasks have; the step's row comes a look later."""


def n_tasks(one: ours.Ours, workflow_id: int) -> int:
    """How many instances of a workflow's steps have their task."""
    with one.engine.connect() as connection:
        return int(connection.execute(_TASKS, {"workflow": workflow_id}).scalar() or 0)


_TASKS = text(
    "SELECT count(*) FROM workflow_step WHERE workflow_id = :workflow AND task_id IS NOT NULL"
)


def _at(value: datetime | str) -> float:
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).timestamp()


def _spread(results: Results, name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    results.add(f"{name}, median, s", statistics.median(ordered))
    results.add(f"{name}, p95, s", ordered[int(0.95 * (len(ordered) - 1))])
    results.add(f"{name}, longest, s", ordered[-1])


def timed(act: Callable[[], object]) -> float:
    """How many seconds it takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the benchmark. One that is not `again` measures all that it wants at once."""

    measure: Callable[[Scene], None]
    again: bool = True
    has_pilot: bool = True
    """What is made without a pilot is not to be run."""


PARTS = {
    "check": Part(check, has_pilot=False),
    "chain": Part(chain),
    "follow": Part(follow),
    "large": Part(large, again=False),
    "scatter": Part(scatter, has_pilot=False),
    "wide": Part(wide, again=False),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: the least of the times (the most of a rate), and the goal if any."""

    what: str
    best: float
    worst: float
    n: int
    goal: float | None = None


def lines(results: Results) -> list[Line]:
    """The table."""
    found = []
    for name, values in results.figures.items():
        best, worst = min(values), max(values)
        if name.endswith("/s"):
            best, worst = worst, best
        found.append(Line(name, best, worst, len(values), GOALS.get(name)))
    return found


def print_table(found: Sequence[Line]) -> None:
    """Print lines for people."""
    print(f"{'':52}{'best':>9}{'worst':>9}{'of':>4}{'goal':>7}")
    for line in found:
        goal = f"{line.goal:g}" if line.goal is not None else ""
        print(f"{line.what:52}{line.best:>9.2f}{line.worst:>9.2f}{line.n:>4}{goal:>7}".rstrip())


def run(parts: Sequence[str], repeats: int) -> Results:
    """Measure these parts, each on an installation of its own."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > cores / 2:
        print(f"warning: the machine is busy (load {load:.1f}): times are long", file=sys.stderr)
    results = Results(f"{cores} cores, load {load:.1f} before, Python {platform.python_version()}")
    for name in parts:
        print(name, file=sys.stderr)
        for _ in range(repeats if PARTS[name].again else 1):
            with tempfile.TemporaryDirectory(prefix="culm-bench-") as folder:
                _measure(Path(folder), PARTS[name], results, cores)
    return results


def _measure(folder: Path, part: Part, results: Results, slots: int) -> None:
    documents = folder / "documents"
    documents.mkdir()
    with ExitStack() as stack:
        one = stack.enter_context(ours.installation(folder, None))
        stack.enter_context(one.part("daemon", "--without-prefect"))
        scene = Scene(one, documents, results)
        warm = scene.write("warm.cwl", cwl_documents.chain(2))
        if part.has_pilot:
            pilot = ours.pilot_arguments(folder, PILOT_BATCH, slots)
            stack.enter_context(one.part("pilot", *pilot))
        # The first workflow and the first job pay for what is loaded once.
        scene.chain("--cwl", warm, "--wait" if part.has_pilot else "--check")
        part.measure(scene)


def _parts(words: str) -> list[str]:
    found = words.split(",")
    unknown = [word for word in found if word not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: one of {', '.join(PARTS)}")
    return found


def main() -> None:
    """Measure, print, keep."""
    words = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="python -m bench.workflows", description=words)
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=3, help="of the short parts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, help="write the JSON to this file too")
    wanted = parser.parse_args()
    results = run(wanted.only, wanted.repeats)
    found = lines(results)
    document = asdict(results) | {"lines": [asdict(line) for line in found]}
    if wanted.out:
        wanted.out.parent.mkdir(parents=True, exist_ok=True)
        wanted.out.write_text(json.dumps(document, indent=2) + "\n")
    if wanted.json:
        print(json.dumps(document))
    else:
        print(results.machine)
        print_table(found)


if __name__ == "__main__":
    main()
