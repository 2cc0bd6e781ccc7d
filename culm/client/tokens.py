"""Where the client's token comes from, and what it says of itself (unverified)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from culm.core.errors import NotAuthenticated
from culm.core.settings import Settings
from culm.core.urls import is_loopback

VARIABLE = "CULM_TOKEN"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it was found; `text` is empty if there is none.

    `vo` is the organisation that its bearer acts for, "" if there is no choice. `renew` gives the
    token of a login that follows one that is refused; None if nothing does.
    """

    text: str
    source: str
    vo: str = ""
    renew: Callable[[str], str] | None = None

    def claims(self) -> Mapping[str, Any]:
        """What the token says, not verified (only the server can); empty if it is no JWT."""
        return claims_in(self.text)

    def renewed(self) -> Token:
        """The token that follows this one.

        Raises:
            NotAuthenticated: nothing follows it; or its provider does not renew it.
            Unreachable: its provider does not answer.
        """
        if self.renew is None:
            raise NotAuthenticated("the token is refused and cannot be renewed")
        return replace(self, text=self.renew(self.text))


def claims_in(text: str) -> Mapping[str, Any]:
    """What a token says, not verified; empty if it is no JWT."""
    parts = text.split(".")
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def find_token(
    settings: Settings,
    environment: Mapping[str, str],
    token: str | None = None,
    token_file: Path | str | None = None,
) -> Token:
    """The token given, else that of a file given, of `CULM_TOKEN`, of a login, of the usual file.

    A file that the settings name takes the place of the last two.

    Raises:
        NotAuthenticated: a file that was asked for cannot be read, or holds no token; a login has
            expired and is not renewed.
        Unreachable: a login is to be renewed, and its provider does not answer.
    """
    if token is not None:
        return _clean(token, "the argument token")
    if token_file is not None:
        return _from_file(Path(token_file), required=True)
    if environment.get(VARIABLE):
        return _clean(environment[VARIABLE], VARIABLE)
    refuse_redirection(settings)
    if settings.origin("token_file") != "default":
        return _from_file(settings.token_file, required=True)
    return _of_login(settings) or _from_file(settings.token_file, required=False)


def refuse_redirection(settings: Settings) -> None:
    """Pass unless a project file sends the user's own token to a server of its choice.

    Someone else's folder may hold a culm.toml; entering it must not give the token away.
    """
    origin = settings.origin("server_url")
    if Path(origin).name != "culm.toml" or is_loopback(settings.server_url):
        return
    if settings.origin("token_file") != origin:
        raise NotAuthenticated(
            f"{origin} names the server {settings.server_url}, but no token for it was given",
            hint="say --server-url, or --token-file, or set CULM_TOKEN, if you trust that server",
        )


def _of_login(settings: Settings) -> Token | None:
    """The token of a login at the server; None if there is none."""
    server_url, folder = settings.server_url, settings.data_dir / "logins"
    if not folder.is_dir():
        return None
    from culm.client.logins import Logins

    logins = Logins(settings)
    login = logins.get(server_url)
    if login is None:
        return None
    renew = partial(logins.fresh, server_url)
    return Token(renew(), f"the login at {server_url}", login.organisation.vo, renew)


def _from_file(path: Path, *, required: bool) -> Token:
    try:
        return _clean(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        if not required:
            return Token("", str(path))
        raise NotAuthenticated(f"token file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise NotAuthenticated(f"token file {path} cannot be read: {error}") from error


def _clean(text: str, source: str) -> Token:
    stripped = text.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise NotAuthenticated(f"{source} holds no token")
    return Token(stripped, source)
