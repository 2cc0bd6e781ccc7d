"""`culm simulate`: what brokerage would do with a workload, and what if something were changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.progress import count_shown
from culm.cli.render import Json, print_json, say
from tasks.commands.simulation_source import Source, fault, read

if TYPE_CHECKING:
    from broker.simulation.engine import Trace
    from broker.simulation.results import Figures
    from broker.simulation.workload import Workload
    from broker.simulation.world import World

app = typer.Typer(help="Simulate brokerage; ask what if.", invoke_without_command=True)


@app.callback()
def simulate(  # noqa: PLR0913, PLR0917 - one for each option of the command
    world: Annotated[
        str | None,
        typer.Option(help="The world, as YAML or JSON; or our own queues.", metavar="FILE|books"),
    ] = None,
    workload: Annotated[Path | None, typer.Option(help="The tasks, as YAML or JSON.")] = None,
    swf: Annotated[Path | None, typer.Option(help="A log in the Standard Workload Format.")] = None,
    books: Annotated[
        float | None,
        typer.Option(
            help="What finished here in the last days, in our own queues.", metavar="DAYS"
        ),
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="With --books: number users and tasks.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of what is generated, and of chance.")] = 1,
    queues: Annotated[
        int | None, typer.Option(help="Queues of a generated world.  [default: 30]", min=1)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Jobs of a generated workload; most jobs read of a log.  [default: 20000]", min=1
        ),
    ] = None,
    load: Annotated[
        float | None,
        typer.Option(
            help="Of a generated workload: work sent over work done.  [default: 0.95]", min=0.01
        ),
    ] = None,
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
    save: Annotated[
        Path | None, typer.Option(help="A folder for the world and the tasks, as JSON.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print how policies place a workload in a world: waits, slowdown, shares.

    Without files, world and workload are generated from the seed. It needs no server; with our
    own books it reads the database that the settings name (`database_url`), and changes nothing.
    """  # fmt: skip
    from broker.simulation.changes import changed
    from broker.simulation.policies import DEFAULT_POLICY, chosen
    from broker.simulation.workload import fitted
    from tasks.commands.simulation_tables import as_document, print_comparison, print_results

    names = chosen(policy or [DEFAULT_POLICY])
    if compare and not change:
        raise fault("--compare", "nothing to compare", "--set with what is to change")
    if plots:
        from tasks.commands.documents import make_folder
        from tasks.commands.simulation_plots import check_library

        check_library()
        make_folder(plots)
    subject = read(Source(
        world=world, workload=workload, swf=swf, days=books, anonymous=anonymous, seed=seed,
        n_queues=queues, n_jobs=jobs, load=load, view_seconds=view,
    ))  # fmt: skip
    before, work = subject.world, subject.work
    after = changed(before, change or [])
    # The jobs are the same before and after, or nothing could be compared.
    work_after = fitted(work.tasks, after)
    if save:
        _save(save, before, work)
    old = _run(before, work, names, seed=seed, fifo=fifo) if compare else {}
    new = _run(after, work_after, names, seed=seed, fifo=fifo)
    figures_old, figures_new = _figures(old), _figures(new)
    if as_json:
        print_json(as_document(after, work_after, figures_new, figures_old))
    elif compare:
        print_comparison(figures_old, figures_new)
    else:
        print_results(figures_new)
    for words in dict.fromkeys([*subject.notes, *(n for f in figures_new for n in f.notes)]):
        say(words)
    if plots:
        _plot(plots, old, new, _title(after, work_after))


def _save(folder: Path, world: World, work: Workload) -> None:
    from tasks.commands.documents import write_document

    for name, value in (("world.json", world), ("work.json", work)):
        write_document(folder / name, value)
        say(f"wrote {folder / name}")


def _run(
    world: World, work: Workload, names: tuple[str, ...], *, seed: int, fifo: bool
) -> dict[str, Trace]:
    from broker.simulation.engine import Setting
    from broker.simulation.engine import simulate as run
    from broker.simulation.policies import POLICIES

    setting = Setting(world=world, workload=work, seed=seed, fifo=fifo)
    traces = {}
    for name in names:
        with count_shown(name, work.n_jobs) as watcher:
            traces[name] = run(setting, POLICIES[name](), time.process_time, watcher)
    return traces


def _figures(traces: dict[str, Trace]) -> list[Figures]:
    from broker.simulation.results import figures

    return [figures(trace) for trace in traces.values()]


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
