"""`culm whoami`: who the server takes you for."""

from __future__ import annotations

import typer

from culm.cli.context import client_of
from culm.cli.render import Json, print_fields, print_json, when

app = typer.Typer(rich_markup_mode=None)


@app.command()
def whoami(ctx: typer.Context, as_json: Json = False) -> None:
    """Say who your token says that you are, and until when."""
    client = client_of(ctx)
    found = client.whoami()
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("user", found.user),
            ("roles", ", ".join(found.roles)),
            ("organisation", found.vo),
            ("production for", ", ".join(found.working_groups)),
            ("expires", when(found.expires_at)),
            ("server", client.transport.server_url),
            ("token", client.transport.token.source),
        ]
    )
