"""`culm resource-type`: list, add, change and remove the kinds of need that jobs are counted by."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.cli.administrators import for_administrators
from culm.cli.context import client_of
from culm.cli.pairs import pair
from culm.cli.render import Json, print_json, print_table, say
from culm.wire.resource_types import ResourceTypeView

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True,
    help="Kinds of need, by cores and memory: what jobs and workers are counted by.",
)  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="NAME", help="The type's name.")]
Bounds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE…",
        help="min_cores, max_cores, min_memory_mb_per_core, max_memory_mb_per_core.",
    ),
]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List all types, and the jobs that are of each."""
    found = client_of(ctx).resource_types()
    if as_json:
        print_json(found)
        return
    print_table(("type", "cores", "MB a core", "queued", "running"), map(_row, found))


@app.command()
def add(ctx: typer.Context, name: Name, bounds: Bounds = None, as_json: Json = False) -> None:
    """Add a type (admin): culm resource-type add MCORE_HUGE min_cores=16."""
    values = dict(pair(word) for word in bounds or ())
    with for_administrators(ctx):
        made = client_of(ctx).add_resource_type(name, **values)
    _print(made, as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    bounds: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE…", help="What to change; null: no bound.")
    ],
    as_json: Json = False,
) -> None:
    """Change a type (admin): culm resource-type set MCORE max_cores=15."""
    values = dict(pair(word) for word in bounds)
    with for_administrators(ctx):
        found = client_of(ctx).set_resource_type(name, **values)
    _print(found, as_json=as_json)


@app.command()
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Remove a type (admin); its jobs are counted by another that fits, or as Undefined."""
    with for_administrators(ctx):
        gone = client_of(ctx).remove_resource_type(name)
    if as_json:
        print_json(gone)
        return
    say(f"resource type {gone.name} is gone: {_row(gone)[1]} cores, {_row(gone)[2]} MB a core")


def _print(found: ResourceTypeView, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(("type", "cores", "MB a core", "queued", "running"), [_row(found)])


def _row(found: ResourceTypeView) -> tuple[object, ...]:
    cores = _span(found.min_cores, found.max_cores)
    memory = _span(found.min_memory_mb_per_core, found.max_memory_mb_per_core)
    return found.name, cores, memory, found.n_queued, found.n_running


def _span(least: int, most: int | None) -> str:
    if most == least:
        return str(least)
    return f"{least} or more" if most is None else f"{least} to {most}"
