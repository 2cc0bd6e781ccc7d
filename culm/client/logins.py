"""Logins: what an identity provider granted for a server, kept on this machine and renewed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from culm.client.device_flow import Tokens, renewed
from culm.client.reading import read
from culm.client.tokens import Token, claims_in, refuse_redirection
from culm.client.transport import Call, Transport, path_of
from culm.core.errors import (
    CulmError,
    FieldFault,
    InvalidRequest,
    Misconfigured,
    NotAuthenticated,
)
from culm.core.private_files import make_private_folder, write_private
from culm.core.settings import Settings
from culm.core.urls import is_trustworthy
from culm.wire.codec import decode
from culm.wire.organisations import OrganisationList, OrganisationView
from culm.wire.views import Identity

T = TypeVar("T")

RENEW_BEFORE_SECONDS = 60.0
"""A token is renewed when it has less than this left."""
_SERVICE = "culm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login at one server. The tokens are empty while the keyring has them."""

    server_url: str
    organisation: OrganisationView
    token_endpoint: str
    id_token: str = ""
    refresh_token: str = ""
    in_keyring: bool = False


class Logins:
    """The logins of one user: a file of mode 0600 for each server, below the data directory."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir / "logins"

    def path(self, server_url: str) -> Path:
        """The file of a server's login, whether it is there or not."""
        digest = hashlib.sha256(server_url.rstrip("/").encode()).hexdigest()[:16]
        return self._folder / f"{digest}.json"

    def get(self, server_url: str) -> Login | None:
        """The login at a server; None if there is none.

        Raises:
            NotAuthenticated: it is there and cannot be read.
        """
        path = self.path(server_url)
        try:
            login = decode(Login, json.loads(path.read_text(encoding="utf-8")), str(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, CulmError) as error:
            raise NotAuthenticated(f"login {path} cannot be read: {error}",
                                   hint="culm login") from error  # fmt: skip
        if not login.in_keyring:
            return login
        kept = json.loads(_keyring().get_password(_SERVICE, login.server_url) or "{}")
        return replace(login, id_token=kept.get("id_token", ""),
                       refresh_token=kept.get("refresh_token", ""))  # fmt: skip

    def keep(self, login: Login) -> Path:
        """Keep a login, instead of the one before at its server; the file that tells of it."""
        make_private_folder(self._folder)
        if login.in_keyring:
            secret = {"id_token": login.id_token, "refresh_token": login.refresh_token}
            _keyring().set_password(_SERVICE, login.server_url, json.dumps(secret))
            login = replace(login, id_token="", refresh_token="")
        path = self.path(login.server_url)
        write_private(path, json.dumps(asdict(login), indent=2).encode())
        return path

    def forget(self, server_url: str) -> bool:
        """Drop the login at a server; whether there was one."""
        login = self.get(server_url)
        if login is None:
            return False
        if login.in_keyring:
            _keyring().delete_password(_SERVICE, login.server_url)
        self.path(server_url).unlink(missing_ok=True)
        return True

    def fresh(self, server_url: str, stale: str = "") -> str:
        """The ID token for a server, renewed if it is about to end or is the `stale` one.

        Two processes at once renew it once: a provider takes a refresh token a single time.

        Raises:
            NotAuthenticated: there is no login, or the provider does not renew it.
            Unreachable: the provider does not answer.
        """
        login = self._login(server_url)
        if _is_good(login.id_token, stale):
            return login.id_token
        with self._lock(server_url):
            login = self._login(server_url)
            if _is_good(login.id_token, stale):
                return login.id_token
            if not login.refresh_token:
                raise NotAuthenticated("the login has expired", hint="culm login")
            found = renewed(login.token_endpoint, login.organisation, login.refresh_token)
            self.keep(with_tokens(login, found))
        return found.id_token

    def _login(self, server_url: str) -> Login:
        login = self.get(server_url)
        if login is None:
            raise NotAuthenticated(f"there is no login at {server_url}", hint="culm login")
        return login

    @contextmanager
    def _lock(self, server_url: str) -> Iterator[None]:
        with self.path(server_url).with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def organisations_of(settings: Settings) -> tuple[OrganisationView, ...]:
    """The organisations of the server that the settings name; it is asked without a token.

    Raises:
        InvalidRequest: tokens would travel to it in the clear.
        NotAuthenticated: a project file names the server; see `refuse_redirection`.
    """
    refuse_redirection(settings)
    if not is_trustworthy(settings.server_url):
        needed = "an https URL: tokens must not travel in the clear"
        fault = FieldFault("server_url", settings.server_url, needed)
        raise InvalidRequest("no login at this server", faults=[fault])
    nobody = Token("", "nobody")
    return _asked(settings.server_url, nobody, OrganisationList, "organisations").organisations


def whose(login: Login) -> Identity:
    """Whom the server takes the bearer of a login for.

    Raises:
        NotAuthenticated, NotAllowed: it does not take the login.
    """
    token = Token(login.id_token, "the login", login.organisation.vo)
    return _asked(login.server_url, token, Identity, "whoami")


def _asked(server_url: str, token: Token, kind: type[T], noun: str) -> T:
    transport = Transport(server_url, token)
    try:
        return read(kind, transport.json(Call(method="GET", path=path_of(noun))))
    finally:
        transport.close()


def with_tokens(login: Login, tokens: Tokens) -> Login:
    """The login with these tokens."""
    return replace(login, id_token=tokens.id_token, refresh_token=tokens.refresh_token)


def _is_good(token: str, stale: str) -> bool:
    ends = claims_in(token).get("exp")
    left = ends - time.time() if isinstance(ends, (int, float)) else 0.0
    return token != stale and left > RENEW_BEFORE_SECONDS


def _keyring() -> Any:
    try:
        import keyring
    except ImportError as error:
        raise Misconfigured(
            "the package keyring is not installed",
            hint="pip install 'culm[keyring]', or log in without it",
        ) from error
    return keyring
