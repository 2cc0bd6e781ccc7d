"""HTTP: one call and its answer, problems as errors, and patience with a server that restarts."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from culm import __version__
from culm.client.tokens import Token
from culm.core import errors
from culm.core.urls import is_loopback
from culm.wire.codec import encode

FIRST_SECONDS = 2.0
"""How long the first call tries to reach a server."""

_TRANSIENT = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_KIND_OF_STATUS: Mapping[int, type[errors.CulmError]] = {
    401: errors.NotAuthenticated,
    403: errors.NotAllowed,
    404: errors.NotFound,
    409: errors.WrongStatus,
    413: errors.TooLarge,
    422: errors.InvalidRequest,
    429: errors.Busy,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `content` makes the body anew for each try; `key` makes a POST repeatable."""

    method: str
    path: str
    message: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Callable[[], Iterator[bytes]] | None = None
    key: str = ""
    read_timeout: float = 60.0

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is the same as doing it once."""
        return self.method in _REPEATABLE or bool(self.key)


class Transport:
    """A connection to one server with one token. Safe to use from several threads.

    A call that may be repeated is tried again until `patience_seconds` have passed without an
    answer; a POST without a key is tried again only if it never reached the server.
    """

    def __init__(self, server_url: str, token: Token, patience_seconds: float = 10.0) -> None:
        self.server_url = server_url
        self.token = token
        self._patience = patience_seconds
        self._answered = False
        self._http = httpx.Client(
            base_url=server_url,
            headers={"User-Agent": f"culm/{__version__}", **_authorization(token)},
            timeout=httpx.Timeout(60.0, connect=5.0),
            verify=_trust(server_url),
            # A proxy for the world outside must not be asked for a server on this machine.
            trust_env=not is_loopback(server_url),
        )

    @property
    def patience_seconds(self) -> float:
        """How long to try: one that never answered is probably not there, one that did restarts."""
        return self._patience if self._answered else min(self._patience, FIRST_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(self, call: Call) -> Any:
        """The JSON value that answers a call; None if the answer has no body.

        Raises:
            CulmError: the server's problem, as the class of its code; `Unreachable` without answer.
        """
        response = self._patiently(call, self._send)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise self._no_culm(response) from error

    def exists(self, path: str) -> bool:
        """Whether the server has this for us (a HEAD request)."""
        try:
            self._patiently(Call(method="HEAD", path=path), self._send)
        except (errors.NotFound, errors.NotAllowed):
            return False
        return True

    def date(self) -> str:
        """The server's `Date` header, from its health page."""
        call = Call(method="GET", path="/v1/health", read_timeout=5.0)
        return str(self._patiently(call, self._send).headers.get("Date", ""))

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """An answer whose body is read in pieces; it breaks as `Unreachable`, and is not repeated.

        Raises:
            CulmError: as `json` says.
        """
        request = self._request(call)
        try:
            response = self._http.send(request, stream=True)
            try:
                self._answered = True
                if response.is_error:
                    response.read()
                    raise self._problem(response)
                yield response
            finally:
                response.close()
        except httpx.TransportError as error:
            raise self._unreachable(call, error) from error

    def _patiently(self, call: Call, send: Callable[[Call], httpx.Response]) -> httpx.Response:
        deadline, pause = time.monotonic() + self.patience_seconds, 0.1
        may_renew = self.token.renew is not None
        while True:
            try:
                response = send(call)
            except httpx.TransportError as error:
                lost = not (call.repeatable or isinstance(error, httpx.ConnectError))
                if lost or time.monotonic() + pause > deadline:
                    raise self._unreachable(call, error) from error
            else:
                self._answered = True
                if not response.is_error:
                    return response
                if response.status_code == 401 and may_renew:
                    may_renew = False
                    self._use(self.token.renewed())
                    continue
                if not self._again(call, response) or time.monotonic() + pause > deadline:
                    raise self._problem(response)
                pause = max(pause, _retry_after(response))
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _use(self, token: Token) -> None:
        """Bear this token from now on: a wait may last longer than a login's token."""
        self.token = token
        self._http.headers.update(_authorization(token))

    def _again(self, call: Call, response: httpx.Response) -> bool:
        return response.status_code in _TRANSIENT and call.repeatable

    def _send(self, call: Call) -> httpx.Response:
        return self._http.send(self._request(call))

    def _request(self, call: Call) -> httpx.Request:
        headers = dict(call.headers)
        if call.key:
            headers["Idempotency-Key"] = call.key
        return self._http.build_request(
            call.method,
            call.path,
            params={name: value for name, value in call.params.items() if value is not None},
            headers=headers,
            json=encode(call.message) if call.message is not None else None,
            content=call.content() if call.content else None,
            timeout=httpx.Timeout(call.read_timeout, connect=5.0),
        )

    def _problem(self, response: httpx.Response) -> errors.CulmError:
        """The error that an answer of status 400 or more stands for."""
        if response.status_code == 401 and not self.token.text:
            return errors.NotAuthenticated(
                f"no token: CULM_TOKEN is not set and {self.token.source} does not exist",
                hint="culm up makes one on its machine; else ask who runs the server",
            )
        try:
            problem = response.json() if response.content else {}
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            return self._no_culm(response)
        if problem.get("code") in errors.BY_CODE:
            return errors.from_problem(problem)
        return self._by_status(response, str(problem.get("detail") or response.reason_phrase))

    def _by_status(self, response: httpx.Response, words: str) -> errors.CulmError:
        status = response.status_code
        fallback = errors.CallerError if status in _TRANSIENT else errors.CulmError
        kind = _KIND_OF_STATUS.get(status, fallback)
        return kind(f"{response.request.method} {response.request.url.path}: {status} {words}")

    def _no_culm(self, response: httpx.Response) -> errors.Unreachable:
        kind = response.headers.get("Content-Type", "nothing")
        return errors.Unreachable(
            f"{self.server_url} answered {response.status_code} with {kind}: no Culm server",
            hint="culm config show --origin says where server_url comes from",
        )

    def _unreachable(self, call: Call, error: Exception) -> errors.Unreachable:
        words = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in words:
            return errors.Unreachable(
                f"{self.server_url}: its certificate is not trusted: {words}",
                hint="SSL_CERT_FILE=authority.pem names whom to trust: ask who runs the server",
            )
        if not call.repeatable and not isinstance(error, httpx.ConnectError):
            words += "; whether it was done is not known, look before you try again"
        return errors.Unreachable(f"{self.server_url} does not answer: {words}")


def _trust(server_url: str) -> ssl.SSLContext | bool:
    """Whom to trust: SSL_CERT_FILE and SSL_CERT_DIR count for servers of this machine too."""
    return httpx.create_ssl_context() if server_url.startswith("https:") else True


def path_of(*parts: object) -> str:
    """A path under /v1 with each part quoted: a slash in a name stays in its part."""
    return "/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def _authorization(token: Token) -> dict[str, str]:
    # An organisation is named as PanDA's clients do it: as the origin.
    origin = {"Origin": token.vo} if token.vo else {}
    return {"Authorization": f"Bearer {token.text}", **origin} if token.text else {}


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value), 5.0) if value.isdecimal() else 0.0
