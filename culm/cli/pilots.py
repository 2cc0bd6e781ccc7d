"""`culm pilots`: the pilots that signed on (`culm pilot` is the pilot itself)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.render import Json, print_json, print_table, when

app = typer.Typer(rich_markup_mode=None)


@app.command()
def pilots(
    ctx: typer.Context,
    wanted: Annotated[
        bool, typer.Option("--wanted", help="How many each queue should get next, by kind.")
    ] = False,
    harvesters: Annotated[
        bool, typer.Option("--harvesters", help="PanDA's harvesters, and what they tell.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the pilots that signed on, newest first."""
    if harvesters:
        _show_harvesters(ctx, as_json=as_json)
    elif wanted:
        _show_wanted(ctx, as_json=as_json)
    else:
        show_pilots(ctx, as_json=as_json)


def _show_harvesters(ctx: typer.Context, *, as_json: bool) -> None:
    found = client_of(ctx).harvesters()
    if as_json:
        print_json(found)
        return
    print_table(
        ("harvester", "owner", "last heard", "workers", "last message"),
        (
            (h.name, h.owner, when(h.last_heard_at), _counts(h.worker_counts), *h.messages[:1])
            for h in found
        ),
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))


def _show_wanted(ctx: typer.Context, *, as_json: bool) -> None:
    found = client_of(ctx).workers_wanted()
    if as_json:
        print_json(found)
        return
    print_table(
        ("queue", "resource type", "workers", "cores", "memory", "since"),
        (
            (w.queue, w.resource_type, w.n_workers, w.core_count, f"{w.memory_mb} MB", when(w.at))
            for w in found
        ),
    )


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
