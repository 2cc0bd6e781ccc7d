"""The way of pilots' calls: straight from identification to the handler.

Two calls make up nearly all of a busy server's work. Routing, exception layers and exit stacks
cost more than such a small answer; here a dictionary stands for them. The routes are the
same ones: FastAPI documents them, and their guards stand before them.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from server.problems import DATABASE_FAILURES, problem_reply, translated
from server.routing import DirectRoute, Noun


class HotPaths:
    """ASGI middleware, the innermost: answers the direct routes of these nouns, passes the rest."""

    def __init__(self, app: ASGIApp, nouns: tuple[Noun, ...]) -> None:
        self._app = app
        self._ways = {
            (method, route.path): (route, route.get_route_handler())
            for noun in nouns
            for route in noun.router.routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        is_http = scope["type"] == "http"
        way = self._ways.get((scope["method"], scope["path"])) if is_http else None
        if way is None:
            await self._app(scope, receive, send)
            return
        scope["route"], handler = way
        try:
            response = await handler(Request(scope, receive, send))
        except Exception as error:
            said = translated(error)
            if said is None:
                raise
            status = 503 if isinstance(error, DATABASE_FAILURES) else None
            response = problem_reply(said, status)
        await response(scope, receive, send)
