"""What is for administrators: how to be one, for somebody who is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from culm.cli.context import settings_of
from culm.core.errors import NotAllowed


@contextmanager
def for_administrators(ctx: typer.Context) -> Iterator[None]:
    """Say how to be one, where it was refused to somebody who is none."""
    try:
        yield
    except NotAllowed as error:
        token = settings_of(ctx).data_dir / "tokens" / "admin.token"
        hint = f"culm --token-file {token} {ctx.command_path.partition(' ')[2]} …"
        raise NotAllowed(error.message, hint=error.hint or hint) from error
