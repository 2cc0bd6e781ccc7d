"""What the global options say, and the client that a command talks through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from culm.client import Client
    from culm.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Flags:
    """The global options of a call; None where one was not given."""

    server_url: str | None = None
    token_file: Path | None = None


def settings_of(ctx: typer.Context) -> Settings:
    """The settings in force for this call."""
    from culm.core.settings import load_settings

    flags = ctx.find_object(Flags) or Flags()
    return load_settings({"server_url": flags.server_url, "token_file": flags.token_file})


def client_of(ctx: typer.Context) -> Client:
    """A client for the server and token of this call; closed when the command ends."""
    from culm.client import Client

    client = Client(settings=settings_of(ctx))
    ctx.call_on_close(client.close)
    return client
