"""Options of commands that list what is newest first, and their last line."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.cli.render import say

Timeout = Annotated[
    str | None, typer.Option("--timeout", help="Give up after this time: 90, 15m, 2h.")
]
Status = Annotated[
    str | None, typer.Option("--status", help="Only these, separated by commas: running,failed.")
]
Whose = Annotated[str, typer.Option("--user", help="Whose: me, a name, or * for all.")]
Named = Annotated[
    str | None, typer.Option("--name", help="Only names like this; * stands for all.")
]
Most = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]


def say_if_cut(n_found: int, limit: int) -> None:
    """Say that there may be more, where the list is full."""
    if n_found == limit:
        say(f"the newest {limit}; more with --limit")
