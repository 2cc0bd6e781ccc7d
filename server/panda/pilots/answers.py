"""The older calls of PanDA's pilot (/server/panda/…): a form comes, a flat object goes back.

`StatusCode` tells how it went (`pandaserver/jobdispatcher/Protocol.py`); what is wrong stands in
`errorDialog`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request, Response

from server.identity.access import PROVISIONER
from server.panda.asked import Asked
from server.panda.calls import asked_of
from server.panda.envelope import FORMS, json_answer, words_of_problem
from server.routing import Noun, Terms

DONE, TIMED_OUT, NO_JOBS, FAILED, INVALID, NOT_ALLOWED = 0, 10, 20, 30, 50, 60
FOLDER = "/server/panda"
_NOT_ALLOWED = (401, 403)
_OURS = 500
Call = Callable[[Asked, Request], Awaitable[Any]]


def older(noun: Noun, name: str) -> Callable[[Call], Call]:
    """A call that PanDA's pilots and harvesters make, by its name."""
    path = f"{FOLDER}/{name}"
    FORMS[path] = _as_flat

    def register(call: Call) -> Call:
        async def endpoint(request: Request) -> Response:
            return json_answer(await call(await asked_of(request), request))

        endpoint.__name__, endpoint.__doc__ = name, call.__doc__
        noun.post(path, Terms(PROVISIONER, answers="application/json"))(endpoint)
        return call

    return register


def flat(status_code: int, /, **more: Any) -> dict[str, Any]:
    """An answer with its code."""
    return {"StatusCode": status_code} | more


def _as_flat(problem: Mapping[str, Any]) -> Response:
    status = int(problem["status"])
    code = NOT_ALLOWED if status in _NOT_ALLOWED else FAILED if status >= _OURS else INVALID
    words = words_of_problem(problem)
    answer = flat(code, errorDialog=words, ErrorDiag=words, code=problem["code"])
    return json_answer(answer, status)
