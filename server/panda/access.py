"""Refusals before any handler runs (no token, an old one, a wrong path) in PanDA's own forms."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.panda.envelope import PREFIXES, form_of
from server.problems import MEDIA_TYPE

_PROBLEM = (b"content-type", MEDIA_TYPE.encode())
_OF_THE_BODY = (b"content-type", b"content-length")


class PandaWords:
    """ASGI middleware, the outermost: says problem documents as PanDA's programs show them.

    Identification, guards and limits are the same for all paths, and so are their answers. The
    HTTP status stays: PanDA's client prints the body of whatever is not 200.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer back."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIXES):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def translated(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await _say(scope, start, body, send)

        await self._app(scope, receive, translated)


def _is_problem(start: Message) -> bool:
    return any((name.lower(), value) == _PROBLEM for name, value in start.get("headers", ()))


async def _say(scope: Scope, start: Message, body: bytes, send: Send) -> None:
    problem: dict[str, Any] = msgspec.json.decode(body)
    said = form_of(scope["path"])(problem)
    kept = [(n, v) for n, v in start["headers"] if n.lower() not in _OF_THE_BODY]
    headers = [*said.raw_headers, *kept]
    await send({"type": "http.response.start", "status": said.status_code, "headers": headers})
    shown = b"" if scope["method"] == "HEAD" else said.body
    await send({"type": "http.response.body", "body": shown})
