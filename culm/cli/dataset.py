"""`culm dataset`: add, list and fetch datasets and files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.render import Json, print_fields, print_json, print_table, say, when
from culm.core.units import format_size

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Datasets and files.")

Name = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")]
Match = Annotated[str | None, typer.Option(help="Only files whose names match: *.root,*AOD*.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    pattern: Annotated[
        str | None, typer.Argument(help="Only names like this; * stands for all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List datasets."""
    found = list(client_of(ctx).datasets(pattern, limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("dataset", "files", "size", "owner", "created", ""),
        (
            (
                d.name,
                d.n_files,
                format_size(d.size_bytes),
                d.owner,
                when(d.created_at),
                "open" if d.open else "closed",
            )
            for d in found
        ),
    )
    if len(found) == limit:
        say(f"the first {limit}; more with --limit")


@app.command()
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a dataset."""
    found = client_of(ctx).dataset(name)
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("dataset", found.name),
            ("owner", found.owner),
            ("files", found.n_files),
            ("size", format_size(found.size_bytes)),
            ("open", "yes" if found.open else "no"),
            ("created", when(found.created_at)),
        ]
    )


@app.command()
def files(
    ctx: typer.Context,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: Json = False,
) -> None:
    """List a dataset's files."""
    found = list(client_of(ctx).files(name, limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("file", "size", "adler32", "events", "copies"),
        ((f.lfn, f.size_bytes, f.adler32, f.n_events, " ".join(f.urls)) for f in found),
    )
    if len(found) == limit:
        say(f"the first {limit}; more with --limit")


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="FILES…", help="Files to put into it.")
    ] = None,
    n_events: Annotated[
        int | None,
        typer.Option("--nEvents", "--n-events", min=1, max=10**12, help="Events in each file."),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Register files where they are, send no bytes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a dataset if it is not there, and put files into it."""
    from culm.cli.moving import Sending, send_files

    sending = Sending(name, tuple(paths or ()), n_events, in_place)
    raise typer.Exit(send_files(client_of(ctx), sending, as_json=as_json))


@app.command()
def get(
    ctx: typer.Context,
    name: Name,
    directory: Annotated[
        Path | None, typer.Option("--dir", "-d", help="Where to (default: the dataset's name).")
    ] = None,
    match: Match = None,
    as_json: Json = False,
) -> None:
    """Fetch a dataset's files, verified; what is there already is kept."""
    from culm.cli.moving import fetch_files

    target = directory or Path(name.rstrip("/"))
    raise typer.Exit(fetch_files(client_of(ctx), name, target, match, as_json=as_json))
