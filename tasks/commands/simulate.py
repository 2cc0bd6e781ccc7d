"""`culm simulate`: what brokerage would do with a workload, and what if something were changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from culm.cli.render import Json
from tasks.commands.simulation import Wish
from tasks.commands.simulation import simulate as run
from tasks.commands.simulation_source import Source

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)

# Where world and work come from.
AWorld = Annotated[
    str | None,
    typer.Option(help="The world, as YAML or JSON; or our own queues.", metavar="FILE|books"),
]
AWorkload = Annotated[Path | None, typer.Option(help="The tasks, as YAML or JSON.")]
Swf = Annotated[Path | None, typer.Option(help="A log in the Standard Workload Format.")]
Days = Annotated[
    float | None,
    typer.Option(help="What finished here in the last days, in our own queues.", metavar="DAYS"),
]
Anonymous = Annotated[
    bool, typer.Option("--anonymous", help="With --books: number users and tasks.")
]
Seed = Annotated[int, typer.Option(help="Of what is generated, and of chance.")]
Queues = Annotated[
    int | None, typer.Option(help="Queues of a generated world.  [default: 30]", min=1)
]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="Jobs of a generated workload; most jobs read of a log.  [default: 20000]", min=1
    ),
]
Load = Annotated[
    float | None,
    typer.Option(
        help="Of a generated workload: work sent over work done.  [default: 0.95]", min=0.01
    ),
]
View = Annotated[float | None, typer.Option(help="How old statistics become, in seconds.", min=0)]

# How it is brokered, and what is changed.
Policies = Annotated[
    list[str] | None, typer.Option(help="A policy; may be given again; `all` for all.")
]
Fifo = Annotated[
    bool, typer.Option("--fifo", help="First come, first served: no shares, no priorities.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="What if: queue.NAME.FIELD=VALUE, share.NAME=WEIGHT, …"),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Before and after the changes, side by side.")
]

# Where it goes.
Plots = Annotated[Path | None, typer.Option(help="A folder for plots (SVG).")]
Save = Annotated[Path | None, typer.Option(help="A folder for the world and the tasks, as JSON.")]


@app.callback()
def simulate(  # noqa: PLR0913, PLR0917 - one for each option of the command
    world: AWorld = None,
    workload: AWorkload = None,
    swf: Swf = None,
    books: Days = None,
    anonymous: Anonymous = False,
    seed: Seed = 1,
    queues: Queues = None,
    jobs: Jobs = None,
    load: Load = None,
    view: View = None,
    policy: Policies = None,
    fifo: Fifo = False,
    change: Changes = None,
    compare: Compare = False,
    plots: Plots = None,
    save: Save = None,
    as_json: Json = False,
) -> None:
    """Print how policies place a workload in a world: waits, slowdown, shares.

    Without files, world and workload are generated from the seed. It needs no server; with our
    own books it reads the database that the settings name (`database_url`), and changes nothing.
    """  # fmt: skip
    source = Source(
        world=world, workload=workload, swf=swf, days=books, anonymous=anonymous, seed=seed,
        n_queues=queues, n_jobs=jobs, load=load, view_seconds=view,
    )  # fmt: skip
    run(Wish(
        source=source, policies=tuple(policy or ()), fifo=fifo, changes=tuple(change or ()),
        compare=compare, plots=plots, save=save, as_json=as_json,
    ))  # fmt: skip
