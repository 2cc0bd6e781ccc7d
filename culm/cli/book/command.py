"""`culm book`: the session, or single orders with -c."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from culm.cli.asking import Yes
from culm.cli.context import client_of, settings_of

app = typer.Typer(rich_markup_mode=None)

Orders = Annotated[
    list[str] | None,
    typer.Option("-c", "--command", metavar="CALL", help="Do this and end: \"show('run')\"."),
]


@app.command()
def book(ctx: typer.Context, orders: Orders = None, yes: Yes = False) -> None:
    """Keep the book of your tasks: show(), kill(…), finish(…), retry(…), as in PanDA's pbook.

    Without -c it takes lines at a prompt, with completion and history, or from standard input.
    The exit code is that of the last order that did not do well.
    """
    from culm.cli import errors
    from culm.cli.book.language import parse, run
    from culm.cli.book.session import session
    from culm.cli.book.verbs import Book

    verbs = Book(client_of(ctx), yes=yes).verbs
    debug = bool(os.environ.get("CULM_DEBUG"))

    def do(line: str) -> int:
        """An error ends its line, not the session."""
        try:
            return run(parse(line, verbs), verbs)
        except typer.Exit as end:
            return int(end.exit_code)
        except KeyboardInterrupt:
            return errors.INTERRUPTED
        except Exception as error:
            return errors.tell(error, debug=debug)

    if orders:
        codes = [do(line) for line in orders]
        raise typer.Exit(next((code for code in reversed(codes) if code), 0))
    raise typer.Exit(session(verbs, do, settings_of(ctx).data_dir / "book_history"))
