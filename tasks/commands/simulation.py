"""One simulation, as `culm simulate` does it: worlds before and after, policies, what is told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from culm.cli.progress import count_shown
from culm.cli.render import print_json, say
from tasks.commands.simulation_source import Source, fault, read

if TYPE_CHECKING:
    from broker.simulation.engine import Trace
    from broker.simulation.results import Figures
    from broker.simulation.workload import Workload
    from broker.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be simulated, by which policies, with which changes, and where it is to go."""

    source: Source
    policies: tuple[str, ...]
    fifo: bool
    changes: tuple[str, ...]
    compare: bool
    plots: Path | None
    save: Path | None
    as_json: bool


def simulate(wish: Wish) -> None:
    """Simulate, and print how the policies did.

    Raises:
        InvalidRequest: what is wished for does not go together, or cannot be simulated.
        Misconfigured: plots or our own books are wished for and cannot be had.
    """
    from broker.simulation.changes import changed
    from broker.simulation.policies import DEFAULT_POLICY, chosen
    from broker.simulation.workload import fitted

    names = chosen(wish.policies or (DEFAULT_POLICY,))
    _check(wish)
    subject = read(wish.source)
    before, work = subject.world, subject.work
    after = changed(before, wish.changes)
    # The jobs are the same before and after, or nothing could be compared.
    work_after = fitted(work.tasks, after)
    if wish.save:
        _save(wish.save, before, work)
    old = _run(wish, before, work, names) if wish.compare else {}
    new = _run(wish, after, work_after, names)
    _print(wish, (after, work_after), _figures(old), _figures(new))
    notes = (*subject.notes, *(note for found in _figures(new) for note in found.notes))
    for words in dict.fromkeys(notes):
        say(words)
    if wish.plots:
        _plot(wish.plots, old, new, _title(after, work_after))


def _check(wish: Wish) -> None:
    """See that what is wished for can be done, before anything takes its time."""
    if wish.compare and not wish.changes:
        raise fault("--compare", "nothing to compare", "--set with what is to change")
    if wish.plots:
        from tasks.commands.documents import make_folder
        from tasks.commands.simulation_plots import check_library

        check_library()
        make_folder(wish.plots)


def _run(wish: Wish, world: World, work: Workload, names: tuple[str, ...]) -> dict[str, Trace]:
    from broker.simulation.engine import Setting
    from broker.simulation.engine import simulate as run
    from broker.simulation.policies import POLICIES

    setting = Setting(world=world, workload=work, seed=wish.source.seed, fifo=wish.fifo)
    traces = {}
    for name in names:
        with count_shown(name, work.n_jobs) as watcher:
            traces[name] = run(setting, POLICIES[name](), time.process_time, watcher)
    return traces


def _figures(traces: dict[str, Trace]) -> list[Figures]:
    from broker.simulation.results import figures

    return [figures(trace) for trace in traces.values()]


def _print(
    wish: Wish, subject: tuple[World, Workload], before: list[Figures], after: list[Figures]
) -> None:
    from tasks.commands.simulation_tables import as_document, print_comparison, print_results

    if wish.as_json:
        print_json(as_document(*subject, after, before))
    elif wish.compare:
        print_comparison(before, after)
    else:
        print_results(after)


def _save(folder: Path, world: World, work: Workload) -> None:
    from tasks.commands.documents import write_document

    for name, value in (("world.json", world), ("work.json", work)):
        write_document(folder / name, value)
        say(f"wrote {folder / name}")


def _plot(folder: Path, old: dict[str, Trace], new: dict[str, Trace], title: str) -> None:
    from tasks.commands.simulation_plots import Plotted, write_plots

    for path in write_plots(folder, Plotted(title=title, before=old, after=new)):
        say(f"wrote {path}")


def _title(world: World, work: Workload) -> str:
    from tasks.commands.simulation_tables import load_of

    load = load_of(world, work)
    words = f"{work.n_jobs:,} jobs, {len(world.queues)} queues"
    words += f", statistics up to {world.view_seconds:g} s old"
    return words if load is None else f"{words}, load {load:.2f}"
