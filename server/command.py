"""`culm server`: the HTTP service in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from culm.core.settings import PREFIX, Settings, load_settings
from server.binding import Binding

app = typer.Typer(rich_markup_mode=None)

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
"""Longer than a long poll: a pilot's connection outlives its waiting."""
WORKER_START_SECONDS = 60
"""On a busy machine the imports of a worker take longer than uvicorn's own five seconds."""


@app.command()
def server(  # noqa: PLR0913, PLR0917 - each is an option of the command
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    log_level: Annotated[str | None, typer.Option(help="Least level that is logged.")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file for TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with its key.")] = None,
    allow_plain_http: Annotated[
        bool,
        typer.Option(
            "--allow-plain-http", help="Listen on a public address without TLS (behind a proxy)."
        ),
    ] = False,
) -> None:
    """Serve until told to stop. Makes keys and tokens at its first start."""
    flags = {"server_host": host, "server_port": port, "log_level": log_level}
    settings = load_settings(flags)
    binding = Binding(
        host=settings.server_host,
        port=settings.server_port,
        certificate=tls_certificate,
        key=tls_key,
        allow_plain_http=allow_plain_http,
    ).check()
    serve(settings, binding, workers)


def serve(settings: Settings, binding: Binding, workers: int = 1) -> None:
    """Run the service in this process, or in so many of its children, until it is told to stop.

    Raises:
        Misconfigured: there is no database, or it has another schema than this program; or the
            organisations' files do not fit.
    """
    import uvicorn

    from server.app import create_app
    from server.first_start import prepare_identity
    from server.identity.organisations import read_organisations
    from server.logs import set_up_logging
    from tasks.store import schema
    from tasks.store.books import Books

    set_up_logging(settings.log_level)
    prepare_identity(settings)
    read_organisations(settings.auth_dir)
    options: dict[str, Any] = {
        "host": binding.host,
        "port": binding.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "ssl_certfile": binding.certificate,
        "ssl_keyfile": binding.key,
    }
    books = Books.existing(settings.database_url)
    schema.check(books)
    if workers == 1:
        uvicorn.run(create_app(settings, books), **options)
        books.close()
        return
    books.close()
    # The children read their settings anew: what came by flag must reach them too.
    os.environ |= {f"{PREFIX}{name.upper()}": str(value) for name, value, _ in settings.items()}
    uvicorn.run(
        "server.app:app_from_settings",
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
        **options,
    )
