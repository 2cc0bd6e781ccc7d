"""GET /v1/metrics: numbers for Prometheus."""

from __future__ import annotations

from fastapi import Request, Response

from server.identity.access import ADMIN
from server.metrics import CONTENT_TYPE
from server.parts import parts_of
from server.routing import Noun, Terms

metrics = Noun("metrics", "What the server measures of itself.")


@metrics.get("/v1/metrics", Terms(ADMIN, answers="text/plain"))
def show_metrics(request: Request) -> Response:
    """Requests, latencies, group commits, waiters, jobs and tasks by status.

    In Prometheus' text format. Jobs and tasks are counted at most every ten seconds.
    """
    parts = parts_of(request)
    return Response(parts.metrics.page(parts.books), media_type=CONTENT_TYPE)
