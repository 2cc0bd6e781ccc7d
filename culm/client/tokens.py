"""Where the client's token comes from, and what it says of itself (unverified)."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from culm.core.errors import NotAuthenticated
from culm.core.settings import Settings

VARIABLE = "CULM_TOKEN"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it was found; `text` is empty if there is none."""

    text: str
    source: str

    def claims(self) -> Mapping[str, Any]:
        """What the token says, not verified (only the server can); empty if it is no JWT."""
        parts = self.text.split(".")
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
    """The token given, else that of a file given, of `CULM_TOKEN`, of the settings' file.

    Raises:
        NotAuthenticated: a file that was asked for cannot be read, or holds no token.
    """
    if token is not None:
        return _clean(token, "the argument token")
    if token_file is not None:
        return _from_file(Path(token_file), required=True)
    if environment.get(VARIABLE):
        return _clean(environment[VARIABLE], VARIABLE)
    _refuse_redirection(settings)
    return _from_file(settings.token_file, required=settings.origin("token_file") != "default")


def _refuse_redirection(settings: Settings) -> None:
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


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
