"""The newer calls of PanDA's pilots and harvesters (/api/v1/…): for tokens of provisioners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from culm.core.errors import NotAuthenticated, UserError
from server.identity.access import PROVISIONER
from server.panda.asked import Asked
from server.panda.calls import API, asked_of, refusal
from server.panda.envelope import Said, enveloped
from server.routing import Noun, Terms

Call = Callable[[Asked, Request], Awaitable[Said]]


def newer(noun: Noun, folder: str, name: str, method: str) -> Callable[[Call], Call]:
    """A call of this folder, by its name; a refusal is an envelope with HTTP 200, as PanDA's."""
    add = noun.get if method == "GET" else noun.post

    def register(call: Call) -> Call:
        async def endpoint(request: Request) -> Response:
            asked = await asked_of(request)
            try:
                return enveloped(await call(asked, request))
            except NotAuthenticated:
                raise
            except UserError as error:
                return enveloped(refusal(error))

        endpoint.__name__, endpoint.__doc__ = f"{folder}_{name}", call.__doc__
        terms = Terms(PROVISIONER, answers="application/json")
        add(f"{API}/{folder}/{name}", terms)(endpoint)
        return call

    return register
