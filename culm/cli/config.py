"""`culm config`: the settings in force and where each came from."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.cli.context import settings_of
from culm.cli.render import Json, print_json, print_table
from culm.core.settings import without_password

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Show the settings.")


@app.callback()
def config() -> None:
    """Show the settings and where they come from."""


@app.command()
def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each came from.")] = False,
    as_json: Json = False,
) -> None:
    """Show every setting; flag > CULM_* > ./culm.toml > user file > system file > default."""
    items = [(name, _shown(value), where) for name, value, where in settings_of(ctx).items()]
    if as_json:
        shown = {name: {"value": value, "origin": where} for name, value, where in items}
        print_json(shown if origin else {name: value for name, value, _ in items})
    elif origin:
        print_table(("setting", "value", "origin"), items)
    else:
        print_table(("setting", "value"), [item[:2] for item in items])


def _shown(value: object) -> object:
    """A value as it may be seen by who looks over your shoulder."""
    return value if isinstance(value, int) else without_password(str(value))
