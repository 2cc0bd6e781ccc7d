"""Asking before something is destroyed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from culm.cli.render import is_terminal, safe, say
from culm.core.errors import UserError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
SHOWN = 10


def confirm(what: str, touched: Sequence[str], *, yes: bool) -> None:
    """Go on if the person says so, or said `--yes`.

    Raises:
        UserError: nobody can be asked, and `--yes` was not given.
        typer.Exit: the person said no.
    """
    if yes:
        return
    say(f"This will {what}:")
    for line in touched[:SHOWN]:
        say(f"  {line}")
    if len(touched) > SHOWN:
        say(f"  … and {len(touched) - SHOWN} more")
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UserError(
            f"to {safe(what)} wants --yes where nobody can be asked", hint="the same with --yes"
        )
    if not typer.confirm("Go on?", err=True):
        say("nothing was done")
        raise typer.Exit(1)
