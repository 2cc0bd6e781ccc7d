"""`culm simulate`: what brokerage would do with a workload, and what if something were changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.render import Json, print_json, say
from culm.core.errors import FieldFault, InvalidRequest

if TYPE_CHECKING:
    from broker.simulation.engine import Trace
    from broker.simulation.results import Figures
    from broker.simulation.workload import Workload
    from broker.simulation.world import World

app = typer.Typer(help="Simulate brokerage; ask what if.", invoke_without_command=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where world and workload come from."""

    world: Path | None
    workload: Path | None
    swf: Path | None
    seed: int
    n_queues: int
    n_jobs: int
    load: float
    view_seconds: float | None


@app.callback()
def simulate(  # noqa: PLR0913, PLR0917 - one for each option of the command
    world: Annotated[Path | None, typer.Option(help="The world, as YAML or JSON.")] = None,
    workload: Annotated[Path | None, typer.Option(help="The tasks, as YAML or JSON.")] = None,
    swf: Annotated[Path | None, typer.Option(help="A log in the Standard Workload Format.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is generated, and of chance.")] = 1,
    queues: Annotated[int, typer.Option(help="Queues of a generated world.", min=1)] = 30,
    jobs: Annotated[
        int, typer.Option(help="Jobs of a generated workload; most jobs read of a log.", min=1)
    ] = 20_000,
    load: Annotated[
        float, typer.Option(help="Of a generated workload: work sent over work done.", min=0.01)
    ] = 0.95,
    view: Annotated[
        float | None, typer.Option(help="How old statistics become, in seconds.", min=0)
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="A policy; may be given again; `all` for all.")
    ] = None,
    fifo: Annotated[
        bool, typer.Option("--fifo", help="First come, first served: no shares, no priorities.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="What if: queue.NAME.FIELD=VALUE, share.NAME=WEIGHT, …"),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Before and after the changes, side by side.")
    ] = False,
    plots: Annotated[Path | None, typer.Option(help="A folder for plots (SVG).")] = None,
    as_json: Json = False,
) -> None:
    """Print how policies place a workload in a world: waits, slowdown, shares.

    Without files, world and workload are generated from the seed. It needs no server.
    """
    from broker.simulation.changes import changed
    from broker.simulation.policies import DEFAULT_POLICY, chosen
    from broker.simulation.workload import fitted
    from tasks.commands.simulation_tables import as_document, print_comparison, print_results

    names = chosen(policy or [DEFAULT_POLICY])
    if compare and not change:
        raise _fault("--compare", "nothing to compare", "--set with what is to change")
    if plots:
        from tasks.commands.simulation_plots import check_library

        check_library()
    source = _Source(world=world, workload=workload, swf=swf, seed=seed, n_queues=queues,
                     n_jobs=jobs, load=load, view_seconds=view)  # fmt: skip
    before, work, notes = _read(source)
    after = changed(before, change or [])
    # The jobs are the same before and after, or nothing could be compared.
    work_after = fitted(work.tasks, after)
    old = _run(before, work, names, seed=seed, fifo=fifo) if compare else {}
    new = _run(after, work_after, names, seed=seed, fifo=fifo)
    figures_old, figures_new = _figures(old), _figures(new)
    if as_json:
        print_json(as_document(after, work_after, figures_new, figures_old))
    elif compare:
        print_comparison(figures_old, figures_new)
    else:
        print_results(figures_new)
    for words in dict.fromkeys([*notes, *(n for f in figures_new for n in f.notes)]):
        say(words)
    if plots:
        _plot(plots, new)


def _read(source: _Source) -> tuple[World, Workload, list[str]]:
    from broker.simulation.changes import changed
    from broker.simulation.generator import Sizes, make_workload, make_world
    from broker.simulation.swf import read_swf
    from broker.simulation.workload import workload_of
    from broker.simulation.world import world_of
    from tasks.commands.documents import read_document, read_lines

    chance = Random(source.seed)  # noqa: S311 - simulated chance, no secret
    if source.workload and source.swf:
        raise _fault("--workload", "given together with --swf", "one of the two")
    world = (world_of(read_document(source.world)) if source.world
             else make_world(chance, source.n_queues))  # fmt: skip
    if source.view_seconds is not None:
        world = changed(world, [f"world.view_seconds={source.view_seconds}"])
    if source.workload:
        return world, workload_of(read_document(source.workload), world), []
    if source.swf:
        log = read_swf(read_lines(source.swf), world, source.n_jobs)
        return world, log.workload, list(log.notes)
    sizes = Sizes(n_jobs=source.n_jobs, load=source.load)
    return world, make_workload(chance, world, sizes), []


def _run(
    world: World, work: Workload, names: tuple[str, ...], *, seed: int, fifo: bool
) -> dict[str, Trace]:
    from broker.simulation.engine import Setting
    from broker.simulation.engine import simulate as run
    from broker.simulation.policies import POLICIES

    setting = Setting(world=world, workload=work, seed=seed, fifo=fifo)
    return {name: run(setting, POLICIES[name](), time.process_time) for name in names}


def _figures(traces: dict[str, Trace]) -> list[Figures]:
    from broker.simulation.results import figures

    return [figures(trace) for trace in traces.values()]


def _plot(folder: Path, traces: dict[str, Trace]) -> None:
    from tasks.commands.simulation_plots import write_plots

    for path in write_plots(folder, traces):
        say(f"wrote {path}")


def _fault(option: str, found: str, needed: str) -> InvalidRequest:
    return InvalidRequest("these options do not go together",
                          faults=[FieldFault(option, found, needed)])  # fmt: skip
