"""The server, over HTTP: the only way in which a pilot talks to it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from culm.core.errors import (
    CulmError,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    OurFault,
    Unreachable,
    UserError,
    from_problem,
)
from culm.core.ids import new_key
from culm.wire.codec import decode, encode, parse_json
from culm.wire.job_spec import PilotSpec, PilotWelcome, WorkRequest
from culm.wire.reports import JobReport, ReportAnswers, ReportBatch
from culm.wire.views import WorkersTaken, WorkersWanted, WorkersWantedList
from pilot import VERSION
from pilot.lenient import known_only
from pilot.work import Work, read_work

_AGAIN = {408, 425, 429}
_BY_STATUS: Mapping[int, type[CulmError]] = {401: NotAuthenticated, 403: NotAllowed, 404: NotFound}


class ServerApi:
    """A server, and the token for it, which is kept in this object's memory only.

    Every method raises `Unreachable` when the same call later may succeed, and another
    `CulmError` when the server refused it. Threads may share it.
    """

    def __init__(self, server: str, token: str) -> None:
        self.server = server.rstrip("/")
        self._provisioning = token
        self._token = token
        self._client = httpx.Client(
            base_url=self.server,
            verify=_trust(self.server),
            headers={"User-Agent": f"culm-pilot/{VERSION}", "Accept": "application/json"},
            timeout=httpx.Timeout(30.0, connect=10.0),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=20),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def sign_on(self, spec: PilotSpec, key: str) -> PilotWelcome:
        """Become a pilot of this server; later calls bear the token of its answer."""
        answer = self._post("/v1/pilots", encode(spec), token=self._provisioning, key=key)
        with _readable():
            welcome = decode(PilotWelcome, known_only(PilotWelcome, answer), "welcome")
        self._token = welcome.token
        return welcome

    def sign_off(self) -> None:
        """Leave; jobs that this pilot still holds go to others."""
        self._checked(self._send("DELETE", "/v1/pilots/me", timeout=5.0))

    def ask(self, request: WorkRequest) -> Work:
        """Jobs, once there are some or the waiting time of the request is over."""
        patience = request.wait_seconds + 30.0
        answer = self._post("/v1/pilots/me/work", encode(request), timeout=patience)
        with _readable():
            return read_work(answer)

    def report(self, reports: list[JobReport]) -> ReportAnswers:
        """The server's answers to these reports."""
        body = encode(ReportBatch(reports=tuple(reports)))
        answer = self._post("/v1/pilots/me/reports", body, key=new_key())
        with _readable():
            return decode(ReportAnswers, known_only(ReportAnswers, answer), "answers")

    def workers_wanted(self) -> tuple[WorkersWanted, ...]:
        """How many workers the queues of a provisioner's token should get next."""
        content = self._checked(self._send("GET", "/v1/workers")).content
        with _readable():
            answer = known_only(WorkersWantedList, parse_json(content, "answer"))
            return decode(WorkersWantedList, answer, "workers").workers

    def take_workers(self, wish: WorkersTaken) -> WorkersTaken:
        """How many of the workers that this provisioner would start it should start."""
        answer = self._post("/v1/workers", encode(wish))
        with _readable():
            return decode(WorkersTaken, known_only(WorkersTaken, answer), "workers")

    def owns(self, url: str) -> bool:
        """Whether a URL is the server's own, so that the token may go there."""
        return url.startswith(("/v1/", f"{self.server}/"))

    @contextmanager
    def get(self, url: str) -> Iterator[Iterator[bytes]]:
        """The bytes at one of the server's own URLs, as they come."""
        try:
            with self._client.stream("GET", url, headers=self._bearer(self._token)) as response:
                if response.status_code >= 300:
                    response.read()
                    self._checked(response)
                yield response.iter_bytes()
        except httpx.TransportError as error:
            raise Unreachable(f"{self.server}: {_words(error)}") from error

    def put(self, url: str, blocks: Iterator[bytes], headers: Mapping[str, str]) -> httpx.Headers:
        """Send bytes to one of the server's own URLs; the headers of its answer."""
        answer = self._send("PUT", url, content=blocks, headers=headers, timeout=3600.0)
        return self._checked(answer).headers

    def _post(
        self, path: str, body: Any, *, token: str = "", key: str = "", timeout: float = 30.0
    ) -> Any:
        headers = {"Content-Type": "application/json"} | self._bearer(token or self._token)
        if key:
            headers["Idempotency-Key"] = key
        content = json.dumps(body, separators=(",", ":")).encode()
        answer = self._send("POST", path, content=content, headers=headers, timeout=timeout)
        content = self._checked(answer).content
        with _readable():
            return parse_json(content, "answer")

    def _send(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> httpx.Response:
        merged = self._bearer(self._token) | dict(headers or {})
        limit = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        try:
            return self._client.request(
                method, path, content=content, headers=merged, timeout=limit
            )
        except httpx.TransportError as error:
            raise Unreachable(f"{self.server}: {_words(error)}") from error
        except httpx.InvalidURL as error:
            raise UserError(f"{path!a} is no URL: {error}") from error

    @staticmethod
    def _bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    @staticmethod
    def _checked(response: httpx.Response) -> httpx.Response:
        status = response.status_code
        if status < 300:
            return response
        error = _problem(response)
        if status >= 500 or status in _AGAIN:
            raise Unreachable(f"the server answered {status}: {error.message}")
        raise error


@contextmanager
def _readable() -> Iterator[None]:
    # Nonsense in place of an answer comes from something between us and the server.
    try:
        yield
    except InvalidRequest as error:
        raise Unreachable(f"the answer cannot be read: {error}") from error


def _trust(server: str) -> ssl.SSLContext | bool:
    # Loading the certificates costs some ten milliseconds: only where they are needed.
    return True if server.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _problem(response: httpx.Response) -> CulmError:
    try:
        problem = response.json()
        if isinstance(problem, dict) and "code" in problem:
            return from_problem(problem)
    except ValueError:
        pass
    kind = _BY_STATUS.get(response.status_code, UserError)
    if response.status_code >= 500:
        kind = OurFault
    return kind(f"HTTP {response.status_code} {response.reason_phrase}")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
