"""`culm queue`: list, show and set queues."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.cli.administrators import for_administrators
from culm.cli.context import client_of
from culm.cli.pairs import pair
from culm.cli.pilots import show_pilots
from culm.cli.render import Json, print_fields, print_json, print_table, say, when
from culm.core.documents import read_document
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import nearest
from culm.core.units import format_duration
from culm.wire.grid import EndpointEntry, GridChange
from culm.wire.views import QueueView

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and set queues.")

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List all queues, what waits and what runs there."""
    found = client_of(ctx).queues()
    if as_json:
        print_json(found)
        return
    print_table(
        ("queue", "site", "status", "waiting", "running", "pilots"),
        ((q.name, q.site, q.status, q.n_activated, q.n_running, q.n_pilots) for q in found),
    )


@app.command()
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a queue with its settings."""
    _print(client_of(ctx).queue(name), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE…", help="Settings to change; null gives the default."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="The site that the queue is at.")] = None,
    as_json: Json = False,
) -> None:
    """Make a queue, or change its settings: culm queue set BIG core_count=8 (admin)."""
    changed = dict(pair(word) for word in settings or ())
    with for_administrators(ctx):
        known = [queue.name for queue in client_of(ctx).queues()]
        queue = client_of(ctx).set_queue(name, site, changed)
    if name not in known:
        near = nearest(name, known)
        say(f"queue {name} is new{f'; did you mean {near}?' if near else ''}")
    _print(queue, as_json=as_json)


@app.command()
def add(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="YAML or JSON: sites, queues, links.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and say what would change.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write sites, queues, storage and links from one document, all or nothing (admin)."""
    document = read_document(source)
    if not isinstance(document, dict):
        fault = FieldFault(source, type(document).__name__, "sites, endpoints, queues, links")
        raise InvalidRequest("not a grid's document", faults=[fault])
    with for_administrators(ctx):
        change = client_of(ctx).write_grid(document, dry_run=dry_run)
    if as_json:
        print_json(change)
        return
    _print_change(change)


def _print_change(change: GridChange) -> None:
    print_fields(
        [
            ("sites", change.n_sites),
            ("endpoints", change.n_endpoints),
            ("links", change.n_links),
            ("queues added", ", ".join(change.queues_added)),
            ("queues changed", ", ".join(change.queues_changed)),
        ]
    )
    for words in change.warnings:
        say(f"left aside: {words}")
    if change.dry_run:
        say("only checked: nothing was changed")


@app.command()
def grid(ctx: typer.Context, as_json: Json = False) -> None:
    """Show sites, storage and links; --json is the whole document, as culm queue add takes it."""
    found = client_of(ctx).grid()
    if as_json:
        print_json(found)
        return
    print_table(
        ("site", "nucleus", "queues", "down from", "until"),
        (
            (
                name,
                "yes" * site.is_nucleus,
                ", ".join(q for q, entry in found.queues.items() if entry.site == name),
                when(site.down_from),
                when(site.down_until),
            )
            for name, site in found.sites.items()
        ),
    )
    print_table(
        ("storage", "site", "free GB", "of GB", "state"),
        (
            (name, e.site, _number(e.free_gb), _number(e.total_gb), _state(e))
            for name, e in found.endpoints.items()
        ),
    )
    print_table(
        ("from", "to", "distance", "MB/s last hour", "day", "measured", "files queued", "state"),
        (
            (
                link.source,
                link.destination,
                _number(link.closeness),
                _number(link.mb_per_second_last_hour),
                _number(link.mb_per_second_last_day),
                when(link.measured_at),
                link.n_files_queued,
                "blocked" * link.is_blocked,
            )
            for link in found.links
        ),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _state(endpoint: EndpointEntry) -> str:
    words = ("blacklisted" * endpoint.is_blacklisted, "tape" * endpoint.is_tape)
    return ", ".join(word for word in words if word)


@app.command()
def drain(ctx: typer.Context, name: Name) -> None:
    """Send a queue no new jobs; those that wait there are still run (brokeroff) (admin)."""
    _status(ctx, name, "brokeroff")


@app.command()
def test(ctx: typer.Context, name: Name) -> None:
    """Set a queue to test: it gets no jobs, those there are sent elsewhere in time (admin)."""
    _status(ctx, name, "test")


@app.command()
def online(ctx: typer.Context, name: Name) -> None:
    """Let a queue take work (admin)."""
    _status(ctx, name, "online")


@app.command()
def offline(ctx: typer.Context, name: Name) -> None:
    """Let a queue take no more work; jobs that run there go on (admin)."""
    _status(ctx, name, "offline")


@app.command()
def status(
    ctx: typer.Context,
    name: Name,
    value: Annotated[str, typer.Argument(metavar="online|offline|test|brokeroff|paused")],
) -> None:
    """Set a queue's status (admin)."""
    _status(ctx, name, value)


@app.command()
def pilots(ctx: typer.Context, as_json: Json = False) -> None:
    """List the pilots that signed on, at all queues."""
    show_pilots(ctx, as_json=as_json)


def _status(ctx: typer.Context, name: str, value: str) -> None:
    with for_administrators(ctx):
        queue = client_of(ctx).set_queue_status(name, value)
    say(f"queue {queue.name} is {queue.status}")


def _print(queue: QueueView, *, as_json: bool) -> None:
    if as_json:
        print_json(queue)
        return
    print_fields(
        [
            ("queue", queue.name),
            ("site", queue.site),
            ("status", queue.status),
            ("waiting", queue.n_activated),
            ("running", queue.n_running),
            ("pilots", queue.n_pilots),
            (
                "workers wanted",
                ", ".join(f"{n} {kind}" for kind, n in sorted(queue.workers_wanted.items())),
            ),
            ("last pilot", when(queue.last_pilot_at)),
            ("last start", when(queue.last_start_at)),
            (
                "mean run time",
                format_duration(queue.mean_run_seconds or 0) * bool(queue.mean_run_seconds),
            ),
            ("reads", ", ".join(queue.reads)),
            ("writes", ", ".join(queue.writes)),
            *sorted(queue.settings.items()),
        ]
    )
