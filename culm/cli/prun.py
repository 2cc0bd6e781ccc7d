"""`culm prun`: submit a task as PanDA's prun does."""

from __future__ import annotations

import typer

from culm.cli.context import client_of
from culm.cli.options import options_from
from culm.cli.render import Json
from culm.cli.submitting import Asked, DryRun, Key, Timeout, Wait, submit
from culm.client.prun_options import Prun

app = typer.Typer(rich_markup_mode=None)


@app.command()
@options_from(Prun, "options")
def prun(  # noqa: PLR0913, PLR0917 - each is an option of the command
    ctx: typer.Context,
    options: Prun,
    wait: Wait = False,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Submit a task: --exec runs once for each share of the input, or --nJobs times.

    The current directory is sent along, but for big files. The task's id is printed; a line of
    what was left out goes to standard error.
    """
    client = client_of(ctx)
    asked = Asked(wait=wait, timeout=timeout, dry_run=dry_run, as_json=as_json,
                  next_words="culm task wait")  # fmt: skip
    submit(client, lambda: client.prepare(options, offline=dry_run),
           lambda prepared: client.send(prepared, key), asked)  # fmt: skip
