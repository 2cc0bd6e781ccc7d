"""`culm secret`: what your jobs need and nobody else may see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from culm.cli.asking import Yes, confirm
from culm.cli.context import client_of
from culm.cli.errors import needs
from culm.cli.render import Json, is_terminal, print_json, print_table, say, when

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True,
    help="Secrets that your jobs get when they are submitted with --useSecrets.",
)  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="NAME", help="The secret's name.")]


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    value: Annotated[
        str | None,
        typer.Argument(
            help="The value; better left out: others on this machine see what you type here."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Take the bytes of this file; jobs get it as a file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep a secret. Without --file its value is asked for, or read from standard input.

    One newline at the end of standard input is not taken for a part of it.
    """
    if value is not None and file is not None:
        raise needs("--file", str(file), "not together with a value")
    content = _bytes_of(file) if file is not None else _text(name, value)
    found = client_of(ctx).set_secret(name, content, is_file=file is not None)
    if as_json:
        print_json(found)
        return
    say(f"secret {found.name} is kept ({found.size_bytes} bytes)")


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List your secrets, without their values."""
    found = client_of(ctx).secrets()
    if as_json:
        print_json(found)
        return
    print_table(
        ("secret", "kind", "bytes", "set"),
        ((s.name, "file" if s.is_file else "text", s.size_bytes, when(s.modified_at))
         for s in found),
    )  # fmt: skip


@app.command()
def show(ctx: typer.Context, name: Name) -> None:
    """Write the value of one of your secrets to standard output, as it is."""
    sys.stdout.buffer.write(client_of(ctx).secret(name))
    sys.stdout.buffer.flush()
    if is_terminal(sys.stdout):
        typer.echo()


@app.command()
def delete(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAMES…", help="Which secrets.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of your secrets.")] = False,
    yes: Yes = False,
) -> None:
    """Forget secrets. Jobs that have started already keep what they got."""
    if bool(names) == everything:
        raise needs("NAMES…", " ".join(names or ()) or "missing", "name secrets, or say --all")
    client = client_of(ctx)
    wanted = [s.name for s in client.secrets()] if everything else list(dict.fromkeys(names or ()))
    confirm(f"delete {len(wanted)} of your secrets", wanted, yes=yes)
    if everything:
        client.delete_secrets()
    else:
        for name in wanted:
            client.delete_secret(name)
    say(f"deleted: {', '.join(wanted) or 'nothing, there was none'}")


@app.command()
def history(ctx: typer.Context, as_json: Json = False) -> None:
    """Show what was done with your secrets: set, shown, deleted, given to which job."""
    found = client_of(ctx).secret_uses()
    if as_json:
        print_json(found)
        return
    print_table(
        ("when", "what", "secret", "job"),
        ((when(use.at), use.event, use.name or "(all)", use.job_id) for use in found),
    )


def _text(name: str, value: str | None) -> str:
    if value is not None:
        return value
    if is_terminal(sys.stdin):
        asked: str = typer.prompt(f"value of {name}", hide_input=True, err=True)
        return asked
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise needs("standard input", "other bytes", "text in UTF-8; --file takes any") from error


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise needs("--file", str(file), f"a file that can be read ({error.strerror})") from error
