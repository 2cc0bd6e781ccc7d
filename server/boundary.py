"""The outermost layer: nothing escapes it, every answer is counted and bears its headers."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.metrics import Metrics
from server.problems import internal_problem

log = logging.getLogger(__name__)

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy",
     b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"),
]  # fmt: skip
NO_ROUTE = "none"
CLIENT_GONE = 499
"""Booked where the client went away before its answer (nginx' number for it)."""


class Boundary:
    """ASGI middleware around everything else of the app."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer with a problem document where something broke."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 0, time.perf_counter()

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except ClientDisconnect:
            status = status or CLIENT_GONE
        except Exception:
            error_id = secrets.token_hex(6)
            log.exception("request failed", extra={"error_id": error_id, "method": scope["method"]})
            if status:
                raise  # half an answer is out: the connection must break, not look complete
            await internal_problem(error_id)(scope, receive, with_headers)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.answered(_method(scope), _route(scope), status, seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    # The template, not the path: names in paths would make a series each.
    return getattr(scope.get("route"), "path", NO_ROUTE)
