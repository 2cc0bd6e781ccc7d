"""Errors as answers: problem documents (RFC 9457) with our codes, and never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from culm.core.errors import (
    Busy,
    CallerError,
    CulmError,
    FieldFault,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    OurFault,
    UserError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100
DATABASE_FAILURES = (OperationalError, InterfaceError, PoolTimeout)
"""The database is away, locked or overrun: the same request may succeed later."""
_RETRY_AFTER_SECONDS = "1"


def problem_reply(error: CulmError, status: int | None = None) -> Response:
    """The answer that says this error."""
    problem = error.as_problem()
    if status is not None:
        problem["status"] = status
    if len(error.faults) > MOST_FAULTS:
        problem["detail"] += f" (the first {MOST_FAULTS} are named)"
        problem["errors"] = problem["errors"][:MOST_FAULTS]
    body = msgspec.json.encode(problem)
    return Response(body, problem["status"], _headers(error), media_type=MEDIA_TYPE)


def _headers(error: CulmError) -> dict[str, str]:
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": 'Bearer realm="culm"'}
    if isinstance(error, CallerError) and error.http_status in {429, 503}:
        return {"Retry-After": _RETRY_AFTER_SECONDS}
    return {}


def internal_problem(error_id: str) -> Response:
    """The answer where something broke: the id by which the log tells what."""
    error = OurFault(
        f"something broke inside the server (error {error_id})",
        hint=f"the server's log says more: search it for {error_id}",
    )
    return problem_reply(error)


def translated(error: Exception) -> CulmError | None:
    """The error of ours that says what this one means; None for a bug."""
    if isinstance(error, CulmError):
        return error
    if isinstance(error, DATABASE_FAILURES):
        return Busy("the database does not answer now", hint="try again in a moment")
    return None


async def reply_to(request: Request, error: Exception) -> Response | None:
    """The answer that says an error which a handler raised, logged; None for a bug."""
    if isinstance(error, CulmError):
        return await _on_culm_error(request, error)
    return await _on_database(request, error) if isinstance(error, DATABASE_FAILURES) else None


def install(app: FastAPI) -> None:
    """Make the app answer every error with a problem document."""
    app.add_exception_handler(CulmError, _on_culm_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in DATABASE_FAILURES:
        app.add_exception_handler(kind, _on_database)


async def _on_culm_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CulmError)  # noqa: S101 - narrows the type; registered for it alone
    if isinstance(error, OurFault):
        log.error("our fault", extra={"path": request.url.path, "reason": error.message})
    return problem_reply(error)


async def _on_database(request: Request, error: Exception) -> Response:
    log.error("database failed", extra={"path": request.url.path, "reason": str(error)})
    return problem_reply(translated(error) or OurFault("the database failed"), status=503)


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    faults = [_fault(item) for item in error.errors()]
    return problem_reply(InvalidRequest("the request's path or query is wrong", faults=faults))


def _fault(item: Mapping[str, Any]) -> FieldFault:
    name = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
    shown = ascii(item.get("input"))
    return FieldFault(name, shown if len(shown) <= 80 else shown[:77] + "...", item["msg"])


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    path = ascii(request.url.path)[1:-1]
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_reply(NotFound(f"no such path: {path[:200]}", hint="see /docs"))
    words = HTTPStatus(error.status_code).phrase
    reply = problem_reply(
        UserError(f"{request.method} {path[:200]}: {words}"), status=error.status_code
    )
    reply.headers.update(error.headers or {})
    return reply
