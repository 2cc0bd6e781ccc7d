"""Logging in at an identity provider from a terminal: the device authorization grant (RFC 8628)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from culm.core.errors import NotAuthenticated, Unreachable, WaitTimedOut
from culm.core.urls import is_loopback, is_trustworthy
from culm.wire.organisations import OrganisationView

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_SECONDS = 5.0  # RFC 8628, section 3.5


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider takes what, by its well-known document."""

    device_endpoint: str
    token_endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """What the provider gave: a page and a code for the person, a secret and its terms for us."""

    device_code: str
    user_code: str
    page: str
    page_with_code: str
    expires_seconds: float
    interval_seconds: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider granted; without a refresh token there is no renewing."""

    id_token: str
    refresh_token: str


def discover(url: str) -> Provider:
    """The endpoints of the provider whose well-known document this is.

    Raises:
        Unreachable: it does not answer, or its document does not name what is needed.
    """
    document = _answer("GET", url, None)
    device = str(document.get("device_authorization_endpoint", ""))
    token = str(document.get("token_endpoint", ""))
    for name, found in (("device_authorization_endpoint", device), ("token_endpoint", token)):
        if not is_trustworthy(found):
            raise Unreachable(f"{url} names no {name} that can be trusted: {found or 'missing'}")
    return Provider(device, token)


def begin(provider: Provider, client: OrganisationView) -> DeviceCode:
    """Ask for a code that the person confirms in a browser.

    Raises:
        NotAuthenticated: the provider does not know our client, or lets it not do this.
        Unreachable: it does not answer.
    """
    found = _answer("POST", provider.device_endpoint, _known_as(client) | {"scope": client.scope})
    _refuse(found)
    page = str(found.get("verification_uri", ""))
    return DeviceCode(
        device_code=str(found.get("device_code", "")),
        user_code=str(found.get("user_code", "")),
        page=page,
        page_with_code=str(found.get("verification_uri_complete") or page),
        expires_seconds=float(found.get("expires_in", 600)),
        interval_seconds=float(found.get("interval", 5)),
    )


def wait_for_person(
    provider: Provider,
    client: OrganisationView,
    code: DeviceCode,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Tokens:
    """The tokens, once the person has confirmed the code.

    Raises:
        NotAuthenticated: the person, or the provider, refused.
        WaitTimedOut: nobody confirmed it in time.
    """
    form = _known_as(client) | {"grant_type": DEVICE_GRANT, "device_code": code.device_code}
    interval, until = code.interval_seconds, monotonic() + code.expires_seconds
    while True:
        sleep(interval)
        try:
            found = _answer("POST", provider.token_endpoint, form)
        except Unreachable:
            found = {"error": "slow_down"}  # a network that comes and goes: RFC 8628, 3.5
        error = found.get("error")
        if error == "expired_token" or monotonic() > until:
            raise WaitTimedOut("nobody confirmed the code in time", hint="culm login")
        if error == "slow_down":
            interval += _SLOWER_SECONDS
        elif error != "authorization_pending":
            return _tokens(found, "")


def renewed(token_endpoint: str, client: OrganisationView, refresh_token: str) -> Tokens:
    """New tokens for a refresh token (RFC 6749, section 6).

    Raises:
        NotAuthenticated: the provider does not renew it.
        Unreachable: it does not answer.
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _tokens(_answer("POST", token_endpoint, _known_as(client) | form), refresh_token)


def _tokens(found: Mapping[str, Any], before: str) -> Tokens:
    _refuse(found)
    if not isinstance(found.get("id_token"), str):
        raise NotAuthenticated("the identity provider gave no ID token", hint="culm login")
    return Tokens(found["id_token"], str(found.get("refresh_token") or before))


def _known_as(client: OrganisationView) -> dict[str, str]:
    secret = {"client_secret": client.client_secret} if client.client_secret else {}
    return {"client_id": client.client_id} | secret


def _refuse(found: Mapping[str, Any]) -> None:
    if "error" in found:
        words = str(found.get("error_description") or found["error"])
        raise NotAuthenticated(
            f"the identity provider refused: {ascii(words)[1:-1][:300]}", hint="culm login"
        )


def _answer(method: str, url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
    """The JSON object that answers; an error that the protocol knows (status 400, 401) is one."""
    try:
        answer = httpx.request(
            method, url, data=form, timeout=15.0, trust_env=not is_loopback(url),
            headers={"Accept": "application/json"},
        )  # fmt: skip
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(
            f"the identity provider at {url}: {error or type(error).__name__}"
        ) from error
    if not isinstance(found, dict) or (answer.is_error and "error" not in found):
        raise Unreachable(f"the identity provider at {url} answered {answer.status_code}")
    return found
