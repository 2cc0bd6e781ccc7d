"""Who asks, found out before any route is looked for: no path leads round it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.types import ASGIApp, Receive, Scope, Send

from culm.core.errors import NotAuthenticated
from server.identity.actor import Actor
from server.identity.tokens import TokenChecker
from server.problems import problem_reply

PUBLIC_PATHS = frozenset({b"/v1/health", b"/v1/ready", b"/openapi.json", b"/docs"})
"""Compared byte by byte with the path as it was sent: nothing encoded, doubled or added fits."""
_PUBLIC_METHODS = frozenset({"GET", "HEAD"})
_SCHEME = b"bearer "


class Identification:
    """ASGI middleware: a good token becomes an actor, all else is answered with 401."""

    def __init__(self, app: ASGIApp, tokens: TokenChecker, now: Callable[[], datetime]) -> None:
        self._app = app
        self._tokens = tokens
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its actor, or answer it here."""
        if scope["type"] == "http" and not is_public(scope):
            try:
                scope["culm.actor"] = self._actor(scope)
            except NotAuthenticated as error:
                await problem_reply(error)(scope, receive, send)
                return
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _actor(self, scope: Scope) -> Actor:
        found = [value for name, value in scope["headers"] if name == b"authorization"]
        if not found:
            raise NotAuthenticated("a token is needed", hint="send Authorization: Bearer <token>")
        if len(found) > 1 or not found[0].lower().startswith(_SCHEME):
            raise NotAuthenticated("the Authorization header is not `Bearer <token>`")
        token = found[0][len(_SCHEME) :].strip()
        if not token.isascii():
            raise NotAuthenticated("the token is not one of ours")
        return self._tokens.actor(token.decode("ascii"), self._now())


def is_public(scope: Scope) -> bool:
    """Whether this request is on the exact list of those that need no token."""
    path = scope.get("raw_path") or scope["path"].encode()
    return scope["method"] in _PUBLIC_METHODS and path in PUBLIC_PATHS
