"""`culm set`: see and change thresholds while everything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from culm.cli.administrators import for_administrators
from culm.cli.context import client_of
from culm.cli.errors import needs
from culm.cli.options import options_from
from culm.cli.render import Json, print_fields, print_json, print_table, when
from culm.wire.configuration import ThresholdHistory

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `culm set` is to do, if it is not to set a value."""

    reset: bool = field(
        default=False, metadata={"flag": "--reset", "help": "Give it its default back."}
    )
    list: bool = field(default=False, metadata={"flag": "--list", "help": "List all thresholds."})
    vo: str = field(default="", metadata={"flag": "--vo", "help": "For this organisation alone."})


@app.command("set")
@options_from(Options, "options")
def set_(
    ctx: typer.Context,
    options: Options,
    name: Annotated[
        str | None, typer.Argument(help="The documented name, such as SCOUT_RAMCOUNT_RANK.")
    ] = None,
    value: Annotated[str | None, typer.Argument(help="Its new value.")] = None,
    as_json: Json = False,
) -> None:
    """Change a threshold, or show it and who changed it (admin)."""
    if options.list or name is None:
        _list(ctx, as_json=as_json)
        return
    if options.reset and value is not None:
        raise needs("--reset", "", "give no value with it")
    with for_administrators(ctx):
        client = client_of(ctx)
        if options.reset:
            found = client.reset_threshold(name, options.vo)
        elif value is not None:
            found = client.set_threshold(name, value, options.vo)
        else:
            found = client.threshold(name, options.vo)
    _show(found, as_json=as_json)


def _list(ctx: typer.Context, *, as_json: bool) -> None:
    with for_administrators(ctx):
        found = client_of(ctx).thresholds()
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "value", "default", "unit", "for", "changed by", "what it is"),
        (
            (t.name, _shown(t.value), _shown(t.default), t.unit, t.vo, t.changed_by, t.description)
            for t in found
        ),
    )


def _show(found: ThresholdHistory, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    each = found.threshold
    print_fields([
        ("name", f"{each.app}.{each.component}.{each.name}"), ("for", each.vo),
        ("value", _shown(each.value)), ("default", _shown(each.default)), ("type", each.type),
        ("unit", each.unit), ("what it is", each.description),
    ])  # fmt: skip
    for move in found.changes:
        what = f"{move.old_value or 'default'} -> {move.new_value or 'default'}"
        print_fields([(when(move.at), f"{move.user}: {what}" + (f" ({move.vo})" * bool(move.vo)))])


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
