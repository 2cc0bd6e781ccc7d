"""How Culm's brokerage does beside other policies, and which of its goals are met.

python -m bench.brokerage                                  # all: about 20 minutes on 2 cores
python -m bench.brokerage --seeds 2 --views 300            # a glance: about a minute
python -m bench.brokerage --out bench/results/brokerage.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean

from broker.simulation.engine import Setting, simulate
from broker.simulation.generator import Sizes, make_workload, make_world
from broker.simulation.policies import POLICIES
from broker.simulation.results import Figures, figures

LOADS = (0.7, 0.95, 1.2)
VIEWS = (0.0, 60.0, 300.0, 900.0)
FIFO = "culm, first come first served"
BLIND = ("round_robin", "least_loaded_fresh", "pull", "oracle")
"""What does not read the view is run once for all ages."""


@dataclass(frozen=True, slots=True)
class Case:
    """One world and workload."""

    seed: int
    load: float
    views: tuple[float, ...]
    n_jobs: int
    n_queues: int


@dataclass(frozen=True, slots=True)
class Row:
    """How a policy did in one world; `view` is None if it does not read the view."""

    seed: int
    load: float
    view: float | None
    figures: Figures


def run(case: Case) -> list[Row]:
    """Every policy in this world, at every age of the view."""
    rows = []
    for view in case.views:
        chance = Random(case.seed)
        world = make_world(chance, n_queues=case.n_queues, view_seconds=view)
        workload = make_workload(chance, world, Sizes(n_jobs=case.n_jobs, load=case.load))
        for name, make in POLICIES.items():
            if name in BLIND and view != case.views[0]:
                continue
            setting = Setting(world=world, workload=workload, seed=case.seed)
            found = figures(simulate(setting, make(), time.process_time))
            rows.append(Row(case.seed, case.load, None if name in BLIND else view, found))
        setting = Setting(world=world, workload=workload, seed=case.seed, fifo=True)
        fifo = figures(simulate(setting, POLICIES["culm"](), time.process_time))
        rows.append(Row(case.seed, case.load, view, replace(fifo, policy=FIFO)))
    return rows


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of ours, to be at most so many times that of another policy (None: absolute)."""

    figure: str
    limit: float
    other: str | None = None

    def words(self) -> str:
        """The goal as a line of the table."""
        right = f"{self.limit:g} × {self.other}" if self.other else f"{self.limit:g}"
        return f"{self.figure} ≤ {right}"


GOALS = (
    Goal("mean_wait_seconds", 1.05, "pull"),
    Goal("mean_wait_seconds", 0.7, "random_by_slots"),
    Goal("p95_wait_seconds", 0.7, "panda"),
    Goal("share_deviation", 0.2),
    Goal("share_deviation", 0.6, FIFO),
    Goal("bounded_slowdown", 1.3, "oracle"),
    Goal("decision_microseconds", 50),
)

Table = Mapping[tuple[str, float, float | None, int], Figures]


def ratio(goal: Goal, table: Table, load: float, view: float, seeds: Iterable[int]) -> list[float]:
    """Ours over the other's (or ours alone), seed by seed."""
    found = []
    for seed in seeds:
        ours = getattr(table["culm", load, view, seed], goal.figure)
        if goal.other is None:
            found.append(ours)
            continue
        age = None if goal.other in BLIND else view
        theirs = getattr(table[goal.other, load, age, seed], goal.figure)
        found.append(ours / theirs if theirs > 0 else float(ours > 0))
    return found


def of_means(goal: Goal, table: Table, load: float, view: float, seeds: Sequence[int]) -> float:
    """The mean of ours over all seeds, over the mean of the other's (or alone)."""
    ours = fmean(getattr(table["culm", load, view, s], goal.figure) for s in seeds)
    if goal.other is None:
        return ours
    age = None if goal.other in BLIND else view
    theirs = fmean(getattr(table[goal.other, load, age, s], goal.figure) for s in seeds)
    return ours / theirs if theirs > 0 else float(ours > 0)


def report(rows: Sequence[Row], say: Callable[[str], None]) -> None:
    """Print the means of all seeds, and the goals."""
    table = {(r.figures.policy, r.load, r.view, r.seed): r.figures for r in rows}
    seeds = sorted({r.seed for r in rows})
    loads = sorted({r.load for r in rows})
    views = sorted({r.view for r in rows if r.view is not None})
    say(f"Means over {len(seeds)} seeds\n")
    say("| load | view (s) | policy | mean wait (s) | p95 wait (s) | bounded slowdown | "
        "share deviation | remote | makespan (h) | µs a decision |")  # fmt: skip
    say("| --- " * 10 + "|")
    for load in loads:
        for name, view in sorted({(r.figures.policy, r.view) for r in rows if r.load == load},
                                 key=lambda k: (k[0], k[1] or 0.0)):  # fmt: skip
            some = [table[name, load, view, seed] for seed in seeds]
            say(_line(load, view, name, some))
    say("\nGoals: ratio of the means over the seeds, and in brackets the worst seed\n")
    say("| goal | load | " + " | ".join(f"view {view:g} s" for view in views) + " |")
    say("| --- " * (2 + len(views)) + "|")
    for goal in GOALS:
        for load in loads:
            cells = [_cell(goal, table, load, view, seeds) for view in views]
            say(f"| {goal.words()} | {load:g} | " + " | ".join(cells) + " |")


def _line(load: float, view: float | None, name: str, some: Sequence[Figures]) -> str:
    def of(field: str) -> float:
        return fmean(getattr(found, field) for found in some)

    age = "any" if view is None else f"{view:g}"
    return (
        f"| {load:g} | {age} | {name} | {of('mean_wait_seconds'):.0f} | "
        f"{of('p95_wait_seconds'):.0f} | {of('bounded_slowdown'):.2f} | "
        f"{of('share_deviation'):.3f} | {of('remote_fraction'):.2f} | "
        f"{of('makespan_seconds') / 3600:.1f} | {of('decision_microseconds'):.0f} |"
    )


def _cell(goal: Goal, table: Table, load: float, view: float, seeds: Sequence[int]) -> str:
    mean = of_means(goal, table, load, view, seeds)
    worst = max(ratio(goal, table, load, view, seeds))
    return f"{mean:.2f} ({worst:.2f}) {'met' if mean <= goal.limit else '**not met**'}"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--queues", type=int, default=30)
    parser.add_argument("--views", default=",".join(f"{view:g}" for view in VIEWS))
    parser.add_argument("--loads", default=",".join(f"{load:g}" for load in LOADS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(words)
    views = tuple(float(word) for word in asked.views.split(","))
    cases = [
        Case(seed, float(load), views, asked.jobs, asked.queues)
        for seed in range(1, asked.seeds + 1)
        for load in asked.loads.split(",")
    ]
    rows: list[Row] = []
    with ProcessPoolExecutor(asked.processes) as pool:
        for number, found in enumerate(pool.map(run, cases), start=1):
            rows += found
            print(f"{number} of {len(cases)} worlds", file=sys.stderr)
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps([asdict(row) for row in rows]))
    report(rows, print)


if __name__ == "__main__":
    main()
