"""`culm token`: issue tokens, take them back, change the signing key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from culm.core.clock import utc_now
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.core.private_files import write_private
from culm.core.settings import load_settings
from server.identity.actor import Role
from server.identity.keys import KeyRing, make_key
from server.identity.revocations import Revocations, revoke_all, revoke_token
from server.identity.tokens import Grant, TokenChecker, issue_token

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Tokens and the keys that sign them."
)


@app.command()
def issue(
    user: Annotated[str, typer.Option(help="Whose token it is.")],
    roles: Annotated[str, typer.Option(help="user, production, admin; or pilot.")] = "user",
    days: Annotated[float, typer.Option(min=0.0001, max=3650, help="How long it is good.")] = 30,
    queues: Annotated[str, typer.Option(help="For pilots: queues, or * for all.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write it here, readable by you only.")] = None,
) -> None:
    """Issue a token and print it, or write it to a file."""
    grant = Grant(
        subject=user,
        roles=_roles(roles),
        lifetime=timedelta(days=days),
        queues=tuple(_words(queues)),
    )
    token = issue_token(KeyRing.open(load_settings().keys_dir), grant, utc_now())
    if out is None:
        typer.echo(token)
        return
    # No newline: PanDA's pilot makes a header of the whole file.
    write_private(out, token.encode())
    typer.echo(f"written to {out}", err=True)


@app.command()
def revoke(
    token_file: Annotated[Path | None, typer.Argument(help="A file with the token.")] = None,
    token_id: Annotated[str, typer.Option("--id", help="The token's id (jti).")] = "",
    user: Annotated[str, typer.Option(help="Take back all tokens of this owner.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Take back a token, or all that somebody has; within seconds it opens nothing more."""
    from tasks.store.books import Books

    if sum(map(bool, (token_file, token_id, user))) != 1:
        fault = FieldFault("revoke", "none or several", "a file, or --id, or --user")
        raise InvalidRequest("say which token is to be taken back", faults=[fault])
    settings = load_settings()
    if token_file is not None:
        checker = TokenChecker(KeyRing.open(settings.keys_dir), Revocations())
        token_id = checker.actor(_text_of(token_file), utc_now()).token_id
    with Books.existing(settings.database_url) as books, books.write() as session:
        if user:
            revoke_all(session, user, reason)
        else:
            revoke_token(session, token_id, reason)
    typer.echo(f"taken back: {user or token_id}", err=True)


@app.command()
def bind(
    name: Annotated[str, typer.Argument(help="The name of a user here.")],
    issuer: Annotated[str, typer.Argument(help="The identity provider: `iss` of its tokens.")],
    subject: Annotated[str, typer.Argument(help="The account there: `sub` of its tokens.")],
) -> None:
    """Give a name to an account of an identity provider, with all that is the name's.

    An account gets the name that it asks for when it first comes, if nobody has it. This is for
    a name that somebody has: one who had tokens of this server before, or a provider that moved.
    """
    from tasks.store.accounts import bind_account
    from tasks.store.books import Books

    with Books.existing(load_settings().database_url) as books, books.write() as session:
        bind_account(session, name, issuer, subject)
    typer.echo(f"{name} is {subject} of {issuer}", err=True)


@app.command()
def init() -> None:
    """Make the signing key and this machine's tokens, as the server's first start does."""
    from server.first_start import prepare_identity

    for path in prepare_identity(load_settings()).values():
        typer.echo(str(path))


@app.command("new-key")
def new_key() -> None:
    """Make a new signing key. Tokens of older keys stay good until their files are removed."""
    folder = load_settings().keys_dir
    KeyRing.open(folder)
    typer.echo(make_key(folder))


def _text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        fault = FieldFault("TOKEN_FILE", str(path), f"a file with a token ({error})")
        raise InvalidRequest("this token cannot be read", faults=[fault]) from error


def _roles(text: str) -> frozenset[Role]:
    known = {str(role) for role in Role}
    faults = [FieldFault("roles", word, unknown_name(word, known))
              for word in _words(text) if word not in known]  # fmt: skip
    if faults:
        raise InvalidRequest("unknown role", faults=faults)
    return frozenset(Role(word) for word in _words(text))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
