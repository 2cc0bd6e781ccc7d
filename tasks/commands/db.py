"""`culm db`: make the database, bring it to the newest schema, say which one it has."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from culm.core.settings import load_settings

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The database: make it, migrate it, look at it.",
)


@app.command()
def init() -> None:
    """Make the database or bring it to the newest schema, and add what is missing of the defaults.

    Safe to call at any time and by several processes at once.
    """
    from tasks.store import schema
    from tasks.store.books import Books
    from tasks.store.seed import seed

    settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Books(settings.database_url) as books:
        revision = schema.upgrade(books)
        seed(books, settings.storage_dir)
    typer.echo(f"database ready, schema {revision}", err=True)


@app.command("new-secret-key")
def new_secret_key() -> None:
    """Make a new key for users' secrets, and seal all that there are with it.

    Running servers read it within 20 seconds. Run it once more after that: then nothing is sealed
    with the older keys any more, and their files can be removed.
    """
    from tasks.sealing import SEALING, SealingKeys, make_sealing_key
    from tasks.secrets import seal_anew
    from tasks.store import schema
    from tasks.store.books import Books

    settings = load_settings()
    folder = settings.keys_dir / SEALING
    with Books.existing(settings.database_url) as books:
        schema.check(books)
        SealingKeys.open(folder)
        key_id = make_sealing_key(folder)
        with books.write() as session:
            count = seal_anew(session, SealingKeys.open(folder))
    typer.echo(str(folder / f"{key_id}.key"))
    typer.echo(f"{count} secrets sealed anew", err=True)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON value.")] = False,
) -> None:
    """Say which schema the database has and which one this program needs."""
    from tasks.store import schema
    from tasks.store.books import Books

    with Books.existing(load_settings().database_url) as books:
        found, needed = schema.current(books), schema.newest()
    if as_json:
        typer.echo(json.dumps({"schema": found, "needed": needed, "current": found == needed}))
    else:
        typer.echo(f"schema {found or 'none'}, this program needs {needed}")
    if found != needed:
        raise typer.Exit(1)
