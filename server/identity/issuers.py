"""The keys of identity providers: fetched, kept, changed when the provider changes them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from culm.core.errors import IssuerDown
from culm.core.urls import is_trustworthy

log = logging.getLogger(__name__)

REFRESH_SECONDS = 30.0
"""How old keys may be before they are fetched again (security.md 18: a change acts within 60 s)."""
LOOK_AGAIN_SECONDS = 5.0
"""A key that is not known makes the keys be fetched at once, but not more often than this."""
GO_ON_SECONDS = 24 * 3600.0
"""How long keys are believed of a provider that does not answer."""
_LARGEST_BYTES = 1_000_000
_ALGORITHMS = frozenset({
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
})  # fmt: skip
"""Signatures that a public key verifies. None that a shared secret makes: those anyone could."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key, and the algorithms that it may be used with."""

    key: Any
    algorithms: tuple[str, ...]


@dataclass(slots=True)
class Issuer:
    """One provider, by the URL of its well-known document. May be shared by threads.

    `fetch` gives the JSON value at a URL; whatever it raises of `httpx` or `ValueError` means that
    the provider is down.
    """

    url: str
    fetch: Callable[[str], Any]
    monotonic: Callable[[], float] = time.monotonic
    _name: str = ""
    _keys: Mapping[str, IssuerKey] = field(default_factory=dict)
    _good_at: float | None = None
    _tried_at: float | None = None
    _reason: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """What the provider calls itself in tokens (`iss`).

        Raises:
            IssuerDown: it never told.
        """
        self._refresh(REFRESH_SECONDS)
        self._check()
        return self._name

    def key(self, kid: str) -> IssuerKey | None:
        """The key of this id, None if there is none.

        Raises:
            IssuerDown: the provider does not answer, and no key of its is still believed.
        """
        self._refresh(REFRESH_SECONDS if kid in self._keys else LOOK_AGAIN_SECONDS)
        self._check()
        return self._keys.get(kid)

    def holds(self, kid: str) -> bool:
        """Whether tokens of this key are still good, by what is known now; nothing is fetched."""
        return kid in self._keys and not self._is_too_old()

    def refresh(self) -> None:
        """Fetch the keys again if they were ever asked for and are old."""
        if self._tried_at is not None:
            self._refresh(REFRESH_SECONDS)

    def _check(self) -> None:
        if self._is_too_old():
            raise IssuerDown(
                f"the identity provider at {self.url} does not answer: {self._reason}",
                hint="try again later; nothing is wrong with the token",
            )

    def _is_too_old(self) -> bool:
        return self._good_at is None or self.monotonic() - self._good_at > GO_ON_SECONDS

    def _refresh(self, after_seconds: float) -> None:
        with self._lock:
            now = self.monotonic()
            if self._tried_at is not None and now - self._tried_at < after_seconds:
                return
            self._tried_at = now
            try:
                name, keys = self._fetched()
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                self._reason = f"{type(error).__name__} {error}".strip()[:300]
                log.warning("keys could not be fetched",
                            extra={"issuer": self.url, "reason": self._reason})  # fmt: skip
                return
            self._name, self._keys, self._good_at = name, keys, now

    def _fetched(self) -> tuple[str, Mapping[str, IssuerKey]]:
        document = self.fetch(self.url)
        name, place = str(document["issuer"]), str(document["jwks_uri"])
        if not is_trustworthy(place):
            raise ValueError(f"its keys are at {place[:200]}, which is not https")
        found = {str(one["kid"]): one for one in self.fetch(place)["keys"] if "kid" in one}
        read = {kid: _read(one) for kid, one in found.items()}
        return name, {kid: key for kid, key in read.items() if key}


def fetch_json(url: str) -> Any:
    """The JSON value at a URL, from the place itself: no redirect is followed.

    Raises:
        httpx.HTTPError, ValueError: no answer, none that is good, or more than a megabyte.
    """
    with httpx.stream("GET", url, timeout=5.0, follow_redirects=False) as answer:
        answer.raise_for_status()
        body = b""
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _LARGEST_BYTES:
                raise ValueError(f"{url} answers more than {_LARGEST_BYTES} bytes")
    return httpx.Response(200, content=body).json()


def _read(described: Mapping[str, Any]) -> IssuerKey | None:
    """A key that verifies signatures; None for one of another kind or use, or that is no secret."""
    if (
        "d" in described
        or described.get("use", "sig") != "sig"
        or described.get("kty") not in ("RSA", "EC", "OKP")
    ):
        return None
    named = described.get("alg")
    try:
        key = jwt.PyJWK(dict(described))
    except jwt.PyJWTError:
        return None
    # A key of RSA that names no algorithm is good for all that RSA has.
    kinds = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("Ed",)}.get(str(key.key_type), ())
    fits = tuple(sorted(one for one in _ALGORITHMS if one.startswith(kinds)))
    algorithms = tuple(one for one in fits if named in (None, one))
    return IssuerKey(key.key, algorithms) if algorithms else None
