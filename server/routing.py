"""Routes by noun: each one says who may use it, what it takes and what it answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from culm.core.errors import OurFault
from server.identity.access import Access, Guard
from server.schemas import PREFIX, PROBLEM, reference

Handler = TypeVar("Handler", bound=Callable[..., Any])
JSON, BYTES = "application/json", "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a route promises. `takes` and `answers` are messages, or a media type for bytes.

    `example` is a body that it takes, as JSON values. The handler of a `direct` route takes the
    request and nothing else.
    """

    access: Access
    answers: type | str | None = None
    takes: type | str | None = None
    status: int = 200
    also: tuple[int, ...] = ()
    example: Any = None
    direct: bool = False


class DirectRoute(APIRoute):
    """Guard, handler, answer: for what pilots ask all the time.

    FastAPI documents the route; solving dependencies that there are not would cost more than
    the rest of a small answer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What runs for each request."""
        guard, handler = _guard_of(self), self.endpoint
        if guard is None:
            raise OurFault(f"route {self.path} has no access rule")

        async def answer(request: Request) -> Response:
            await guard(request)
            response: Response = await handler(request)
            return response

        return answer


class Noun:
    """The routes of one noun."""

    def __init__(self, name: str, about: str) -> None:
        self.name = name
        self.about = about
        self.router = APIRouter(tags=[name], redirect_slashes=False)
        self.kinds: set[type] = set()

    def get(self, path: str, terms: Terms) -> Callable[[Handler], Handler]:
        """A route that reads."""
        return self._add(path, terms, ["GET"])

    def head(self, path: str, terms: Terms) -> Callable[[Handler], Handler]:
        """A route that only says whether something is there."""
        return self._add(path, terms, ["HEAD"])

    def post(self, path: str, terms: Terms) -> Callable[[Handler], Handler]:
        """A route that makes something or gives a command."""
        return self._add(path, terms, ["POST"])

    def put(self, path: str, terms: Terms) -> Callable[[Handler], Handler]:
        """A route that writes what the path names."""
        return self._add(path, terms, ["PUT"])

    def delete(self, path: str, terms: Terms) -> Callable[[Handler], Handler]:
        """A route that ends what the path names."""
        return self._add(path, terms, ["DELETE"])

    def _add(self, path: str, terms: Terms, methods: list[str]) -> Callable[[Handler], Handler]:
        self.kinds.update(kind for kind in (terms.takes, terms.answers) if isinstance(kind, type))

        def register(handler: Handler) -> Handler:
            summary, _, description = inspect.cleandoc(handler.__doc__ or "").partition("\n")
            self.router.add_api_route(
                path,
                handler,
                methods=methods,
                dependencies=[Depends(Guard(terms.access))],
                status_code=terms.status,
                summary=summary.rstrip("."),
                description=description.strip(),
                operation_id=f"{methods[0].lower()}_{handler.__name__}",
                response_model=None,
                openapi_extra=_documentation(terms),
                route_class_override=DirectRoute if terms.direct else None,
            )
            return handler

        return register


def access_of(route: APIRoute) -> Access | None:
    """The access rule of a route; None if somebody forgot it."""
    guard = _guard_of(route)
    return None if guard is None else guard.access


def _guard_of(route: APIRoute) -> Guard | None:
    guards = (depends.dependency for depends in route.dependencies)
    return next((guard for guard in guards if isinstance(guard, Guard)), None)


def _documentation(terms: Terms) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "done"}
    if terms.answers is not None:
        answer["content"] = _content(terms.answers)
    problem = {"application/problem+json": {"schema": {"$ref": PREFIX + PROBLEM}}}
    documented: dict[str, Any] = {
        "x-access": str(terms.access),
        "responses": {
            str(terms.status): answer,
            **{str(status): answer for status in terms.also},
            "default": {"description": "a problem document", "content": problem},
        },
    }
    if terms.takes is not None:
        content = _content(terms.takes)
        if terms.example is not None:
            content[JSON]["example"] = terms.example
        documented["requestBody"] = {"required": True, "content": content}
    return documented


def _content(kind: type | str) -> dict[str, Any]:
    if isinstance(kind, type):
        return {JSON: {"schema": reference(kind)}}
    schema = (
        {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}
    )
    return {kind: {"schema": schema}}
