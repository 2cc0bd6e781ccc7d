"""Calls of PanDA's wire as routes: plain functions from what is asked to what is said."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from culm.core.errors import CulmError, NotAuthenticated, UserError
from server.identity.access import PERSON, Access, known_actor
from server.panda.asked import Asked
from server.panda.bodies import BODY, fields_of
from server.panda.codes import code_of
from server.panda.envelope import Said, enveloped, words_of
from server.parts import parts_of
from server.routing import Noun, Terms

Call = Callable[[Asked], Said]
Register = Callable[[Call], Call]
API = "/api/v1"


class Calls:
    """The calls of one noun under /api/v1.

    An envelope is always HTTP 200, with `success` false for a refusal. But of some calls PanDA's
    client throws away what such an envelope says and shows only bodies of other statuses: those
    are `told`, and their refusals keep the status that our own API gives.
    """

    def __init__(self, noun: Noun, folder: str) -> None:
        self._noun = noun
        self._folder = folder

    def get(self, name: str, *, told: bool = False, access: Access = PERSON) -> Register:
        """A call that reads."""
        return self._route(self._noun.get, name, told, access)

    def post(self, name: str, *, told: bool = False, access: Access = PERSON) -> Register:
        """A call that changes something, or names too much for a query."""
        return self._route(self._noun.post, name, told, access)

    def _route(self, add: Callable[..., Any], name: str, told: bool, access: Access) -> Register:
        path = f"{API}/{self._folder}/{name}"

        def register(call: Call) -> Call:
            add(path, Terms(access, answers="application/json"))(_endpoint(call, told))
            return call

        return register


def _endpoint(call: Call, told: bool) -> Callable[[Request], Any]:
    @functools.wraps(call)
    async def endpoint(request: Request) -> Response:
        asked = await asked_of(request)
        try:
            return enveloped(await run_in_threadpool(call, asked))
        except UserError as error:
            if told or isinstance(error, NotAuthenticated):
                raise
            return enveloped(refusal(error))

    # FastAPI looks at the signature: the call's own must not be taken for it.
    del endpoint.__wrapped__
    endpoint.__annotations__ = {"request": Request, "return": Response}
    return endpoint


async def asked_of(request: Request) -> Asked:
    """The call that a request is; errors as `fields_of` says."""
    return Asked(
        fields=await fields_of(request, BODY), parts=parts_of(request),
        caller=known_actor(request), host=request.url.hostname or "localhost",
    )  # fmt: skip


def refusal(error: CulmError) -> Said:
    """What says an error of ours, with PanDA's code for it."""
    return Said(success=False, message=words_of(error), data=int(code_of(error)))
