"""`culm hpo`: submit a hyperparameter search as PanDA's phpo does, and look at one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.ids import TaskId, task_id
from culm.cli.option_groups import GroupedGroup
from culm.cli.options import options_from
from culm.cli.render import Json, print_fields, print_json, print_line, print_table, say
from culm.cli.submitting import Asked, Way, submit
from culm.client.hpo_options import Hpo
from culm.wire.search_views import PointView, SearchView

app = typer.Typer(cls=GroupedGroup, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
@options_from(Hpo, "options")
@options_from(Asked, "asked")
def hpo(ctx: typer.Context, options: Hpo, asked: Asked) -> None:
    """Submit a hyperparameter search: --evaluationExec runs at each point and writes its loss.

    Points are chosen by the built-in samplers from --searchSpaceFile, or by your own program
    (--steeringExec). The current directory is sent along, but for big files. The task's id is
    printed. Look at a search with: culm hpo show ID.
    """
    if ctx.invoked_subcommand is not None:
        return
    client = client_of(ctx)
    way = Way(
        prepare=lambda: client.prepare_search(options, offline=asked.dry_run),
        check=client.check_search,
        send=lambda prepared: client.send_search(prepared, asked.key),
        next_words="culm hpo show",
    )
    submit(client, way, asked)


Plots = Annotated[
    Path | None,
    typer.Option("--plots", metavar="DIR", help="Write the plots into this folder."),
]
Format = Annotated[str, typer.Option("--format", help="The kind of plots: svg or png.")]


@app.command()
def show(
    ctx: typer.Context,
    id_: TaskId,
    plots: Plots = None,
    kind: Format = "svg",
    as_json: Json = False,
) -> None:
    """Show a search: how far it is, the best point, every point with its loss."""
    client = client_of(ctx)
    found = client.search(task_id(client, id_))
    if as_json:
        print_json(found)
    else:
        _show(found)
    if plots is not None:
        from culm.cli.search_plots import write_plots

        for path in write_plots(plots, found, kind):
            say(f"wrote {path}")


def _show(found: SearchView) -> None:
    rounds = f", {found.n_rounds} rounds of steering" if found.n_rounds else ""
    print_fields([
        ("task", found.task_id), ("name", found.name), ("status", found.status),
        ("reason", found.reason), ("sampler", f"{found.sampler}, seed {found.seed}{rounds}"),
        ("points", f"{found.n_evaluated} of {found.most_points} evaluated"),
        ("jobs", f"{found.n_jobs} of {found.most_jobs} used"),
    ])  # fmt: skip
    for best in found.best:
        where = f" of {best.segment}" if best.segment else ""
        print_line(f"best{where}", f"loss {best.loss:g} at point {best.point_nr}: {_place(best)}")
    segments = any(point.segment for point in found.points)
    columns = ("point", "loss", "status", "tries", "job", "parameters", "why")
    print_table(
        ("segment", *columns) if segments else columns,
        ((point.segment, *_row(point)) if segments else _row(point) for point in found.points),
    )


def _row(point: PointView) -> tuple[object, ...]:
    loss = "" if point.loss is None else f"{point.loss:.6g}"
    return (point.point_nr, loss, point.status, point.n_tries, point.job_id, _place(point),
            point.message)  # fmt: skip


def _place(point: PointView) -> str:
    return ", ".join(f"{name}={_value(v)}" for name, v in sorted(point.parameters.items()))


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
