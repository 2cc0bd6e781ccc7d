"""Health, readiness and the documentation: what needs no token."""

from __future__ import annotations

import msgspec
from fastapi import Request, Response

from culm.core.errors import CulmError
from culm.wire.views import Health, Readiness
from server.identity.access import PUBLIC
from server.openapi import docs_page
from server.parts import Parts, parts_of
from server.replies import reply
from server.routing import JSON, Noun, Terms
from server.storage import writable
from tasks.store import schema

health = Noun("health", "Whether the server lives and can work; the documentation.")
OK, READY, NOT_READY = "ok", "ready", "not ready"


@health.get("/v1/health", Terms(PUBLIC, answers=Health))
async def show_health(_request: Request) -> Response:
    """Whether the server answers.

    It looks at nothing else: a supervisor restarts what does not answer this.
    """
    return reply(Health(status=OK))


@health.get("/v1/ready", Terms(PUBLIC, answers=Readiness, also=(503,)))
def show_readiness(request: Request) -> Response:
    """Whether the server can work.

    It can when the database answers and has this program's schema, and storage can be written.
    A load balancer sends no requests to one that answers 503.
    """
    parts = parts_of(request)
    checks = {"database": _database(parts), "storage": _storage(parts)}
    ready = all(found == OK for found in checks.values())
    readiness = Readiness(status=READY if ready else NOT_READY, checks=checks)
    return reply(readiness, 200 if ready else 503)


@health.get("/openapi.json", Terms(PUBLIC, answers=JSON))
async def show_openapi(request: Request) -> Response:
    """This documentation as an OpenAPI document."""
    return Response(msgspec.json.encode(request.app.openapi()), media_type=JSON)


@health.get("/docs", Terms(PUBLIC, answers="text/html"))
async def show_docs(request: Request) -> Response:
    """This documentation as a page; it has no scripts and works offline."""
    return Response(docs_page(request.app.openapi()), media_type="text/html")


def _database(parts: Parts) -> str:
    # Open to all, so it says what is wrong in few words: addresses and names go to the log.
    try:
        with parts.books.read() as session:
            session.connection()
        return OK if schema.current(parts.books) == schema.newest() else "needs: culm db init"
    except CulmError:
        return "does not answer"


def _storage(parts: Parts) -> str:
    folders = (parts.settings.storage_dir, parts.settings.sandbox_dir)
    return OK if all(writable(folder) for folder in folders) else "cannot be written"
