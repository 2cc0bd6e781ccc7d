"""`culm pilots`: the pilots that signed on (`culm pilot` is the pilot itself)."""

from __future__ import annotations

import typer

from culm.cli.context import client_of
from culm.cli.render import Json, print_json, print_table, when

app = typer.Typer(rich_markup_mode=None)


@app.command()
def pilots(ctx: typer.Context, as_json: Json = False) -> None:
    """List the pilots that signed on, newest first."""
    show_pilots(ctx, as_json=as_json)


def show_pilots(ctx: typer.Context, *, as_json: bool) -> None:
    """Print the pilots that signed on."""
    found = client_of(ctx).pilots()
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "status", "queue", "host", "process", "slots", "jobs", "started", "last heard"),
        (
            (
                p.pilot_id,
                p.status,
                p.queue,
                p.host,
                p.process_id,
                p.slots,
                p.n_jobs,
                when(p.started_at),
                when(p.last_heard_at),
            )
            for p in found
        ),
    )
