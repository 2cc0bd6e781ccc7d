"""`culm prun`: submit a task as PanDA's prun does."""

from __future__ import annotations

import typer

from culm.cli.context import client_of
from culm.cli.option_groups import GroupedCommand
from culm.cli.options import options_from
from culm.cli.submitting import Asked, Way, submit
from culm.client.prun_options import Prun

app = typer.Typer(rich_markup_mode=None)


@app.command(cls=GroupedCommand)
@options_from(Prun, "options")
@options_from(Asked, "asked")
def prun(ctx: typer.Context, options: Prun, asked: Asked) -> None:
    """Submit a task: --exec runs once for each share of the input, or --nJobs times.

    The current directory is sent along, but for big files. The task's id is printed; a line of
    what was left out goes to standard error.
    """
    client = client_of(ctx)
    way = Way(
        prepare=lambda: client.prepare(options, offline=asked.dry_run),
        check=client.check,
        send=lambda prepared: client.send(prepared, asked.key),
    )
    submit(client, way, asked)
