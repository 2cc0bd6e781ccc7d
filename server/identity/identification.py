"""Who asks, found out before any route is looked for: no path leads round it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from culm.core.errors import CulmError, NotAuthenticated
from server.identity.actor import Actor
from server.identity.tokens import TokenChecker
from server.problems import problem_reply

PUBLIC_PATHS = frozenset(
    {
        b"/v1/health",
        b"/v1/ready",
        b"/openapi.json",
        b"/docs",
        b"/v1/organisations",
        b"/api/v1/system/is_alive",
    }
)
"""Compared byte by byte with the path as it was sent: nothing encoded, doubled or added fits."""
_PILOT_FILES = re.compile(
    rb"/cache/ddmendpoints\.json"
    rb"|/cache/schedconfig/[A-Za-z0-9_][A-Za-z0-9._-]*\.json"
    rb"|/trf/user/[A-Za-z0-9-]+"
    rb"|/trf/job/[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+/cache/[A-Za-z0-9._-]+"
)
"""What PanDA's pilot fetches without its token: of a whole path, as it was sent too. The files of
a job want the job's own pass, which stands in the path.
"""
_LOGIN_CONFIG = re.compile(rb"/auth/[A-Za-z0-9_][A-Za-z0-9._-]{0,62}_auth_config\.json")
"""Where PanDA's client looks how to log in, before it has a token."""
_FETCHED = (_PILOT_FILES, _LOGIN_CONFIG)
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
                scope["culm.actor"] = await self._actor(scope)
            except CulmError as error:
                await problem_reply(error)(scope, receive, send)
                return
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    async def _actor(self, scope: Scope) -> Actor:
        found = [value for name, value in scope["headers"] if name == b"authorization"]
        if not found:
            raise NotAuthenticated("a token is needed", hint="send Authorization: Bearer <token>")
        if len(found) > 1 or not found[0].lower().startswith(_SCHEME):
            raise NotAuthenticated("the Authorization header is not `Bearer <token>`")
        token = found[0][len(_SCHEME) :].strip()
        if not token.isascii():
            raise NotAuthenticated("the token is not one of ours")
        text, vo = token.decode("ascii"), _organisation(scope)
        if self._tokens.is_quick(text, vo):
            return self._tokens.actor(text, self._now(), vo)
        return await run_in_threadpool(self._tokens.actor, text, self._now(), vo)


def _organisation(scope: Scope) -> str:
    """The organisation that the request is for: PanDA's clients name it as their origin.

    A web page's origin is a URL, and names none.
    """
    found = [value for name, value in scope["headers"] if name == b"origin"]
    text = found[0].decode("latin-1") if len(found) == 1 else ""
    return "" if "://" in text or text == "null" else text


def is_public(scope: Scope) -> bool:
    """Whether this request is on the exact list of those that need no token."""
    path = scope.get("raw_path") or scope["path"].encode()
    known = path in PUBLIC_PATHS or any(each.fullmatch(path) for each in _FETCHED)
    return scope["method"] in _PUBLIC_METHODS and known
