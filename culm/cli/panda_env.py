"""`culm panda-env`: point PanDA's own client at this server."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from culm.cli.context import settings_of
from culm.cli.render import Json, print_json, print_line, say
from culm.client.tokens import Token, find_token
from culm.core.errors import NotAuthenticated

app = typer.Typer(rich_markup_mode=None)
OWN_VO = "culm"
"""The organisation that PanDA's client names where a token of the server itself needs none."""


@app.command("panda-env")
def panda_env(ctx: typer.Context, as_json: Json = False) -> None:
    """Print what PanDA's client needs to know of this server, for the shell.

    In the shell where prun, pbook and the others are to work: eval "$(culm panda-env)".
    The lines hold your token. It is as long good as it is; then say the same again.
    """
    settings = settings_of(ctx)
    token = find_token(settings, os.environ)
    values = {**dict(_of_server(settings.server_url, token)), **dict(_of_client())}
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print_line(f"export {name}={shlex.quote(value)}")
    if "name" not in token.claims():
        say("this token does not say your name, which PanDA's client wants: get a new one")
    if "PANDA_SYS" not in values:
        say("panda-client is not installed here: pip install panda-client==2.2.0")


def _of_server(server_url: str, token: Token) -> Iterator[tuple[str, str]]:
    if not token.text:
        hint = "culm login, or CULM_TOKEN, or --token-file"
        raise NotAuthenticated(f"there is no token for {server_url}", hint=hint)
    url = f"{server_url.rstrip('/')}/server/panda"
    for name in ("PANDA_URL", "PANDA_URL_SSL", "PANDACACHE_URL"):
        yield name, url
    yield "PANDA_AUTH", "oidc"
    yield "PANDA_AUTH_VO", token.vo or OWN_VO
    yield "PANDA_AUTH_ID_TOKEN", token.text
    # Else the client asks the resolver for another name of the server's host.
    yield "PANDA_BEHIND_REAL_LB", "1"


def _of_client() -> Iterator[tuple[str, str]]:
    """Where the installed client's parts are, which its commands want to be told."""
    found = shutil.which("pbook") or str(Path(sys.executable).with_name("pbook"))
    root = Path(found).resolve().parent.parent
    packages = sorted(root.glob("lib/python3*/site-packages/pandaclient"))
    if not (root / "etc/panda").is_dir() or not packages:
        return
    yield "PANDA_SYS", str(root)
    yield "PANDA_PYTHONPATH", str(packages[0].parent)
    yield "PANDA_PYTHON_EXEC", str(root / "bin/python")
    yield "PANDA_CONFIG_ROOT", os.environ.get("PANDA_CONFIG_ROOT", str(Path.home() / ".pathena"))
