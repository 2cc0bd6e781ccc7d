"""`culm pathena`: submit an Athena task as PanDA's pathena does."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.option_groups import GroupedCommand
from culm.cli.options import options_from
from culm.cli.submitting import Asked, Way, submit
from culm.client.pathena_options import Pathena
from culm.client.prun import listed

app = typer.Typer(rich_markup_mode=None)

JobOptions = Annotated[
    list[str] | None,
    typer.Argument(metavar="[JOBOPTIONS]...", help="Job options that athena runs, in order."),
]


@app.command(cls=GroupedCommand)
@options_from(Pathena, "options")
@options_from(Asked, "asked")
def pathena(
    ctx: typer.Context, options: Pathena, asked: Asked, job_option_files: JobOptions = None
) -> None:
    """Submit an Athena task: job options, or transformations with --trf.

    The options of prun are here too, but for --exec. Which files job options write is not
    guessed: name them with --extOutFile. The task's id is printed.
    """
    if job_option_files:
        files = [*job_option_files, *listed(options.job_options)]
        options = replace(options, job_options=",".join(files))
    client = client_of(ctx)
    way = Way(
        prepare=lambda: client.prepare_pathena(options, offline=asked.dry_run),
        check=client.check_pathena,
        send=lambda prepared: client.send_pathena(prepared, asked.key),
    )
    submit(client, way, asked)
