"""What the server measures of itself, for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from tasks.store.books import Books
from tasks.views.counts import jobs_by_status, tasks_by_status

CONTENT_TYPE = CONTENT_TYPE_LATEST
COUNTS_SECONDS = 10.0
"""Counting a million rows costs part of a second: a scrape more often gets the last numbers."""
_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """The numbers of one process; each app has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        mine = self.registry
        self._requests = Counter(
            "culm_requests_total", "Requests answered", ("method", "route", "status"), registry=mine
        )
        self._seconds = Histogram(
            "culm_request_seconds",
            "Time to the answer",
            ("route",),
            buckets=_LATENCIES,
            registry=mine,
        )
        self._items = Histogram(
            "culm_group_commit_items", "Items in one group commit", buckets=_BATCHES, registry=mine
        )
        self._commits = Histogram(
            "culm_group_commit_seconds",
            "Time of one group commit",
            buckets=_LATENCIES,
            registry=mine,
        )
        self._waiters = Gauge("culm_waiters", "Requests that wait for news", registry=mine)
        self._jobs = Gauge("culm_jobs", "Jobs by status", ("status",), registry=mine)
        self._tasks = Gauge("culm_tasks", "Tasks by status", ("status",), registry=mine)
        self._counting = threading.Lock()
        self._counted_at = -COUNTS_SECONDS

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. `route` is the route's template, never the path itself."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def committed(self, items: int, seconds: float) -> None:
        """Count one group commit."""
        self._items.observe(items)
        self._commits.observe(seconds)

    def watch_waiters(self, count: Callable[[], int]) -> None:
        """Where to look for the number of waiting requests."""
        self._waiters.set_function(count)

    def page(self, books: Books) -> bytes:
        """All numbers in Prometheus' text format."""
        self._count(books)
        return generate_latest(self.registry)

    def _count(self, books: Books) -> None:
        with self._counting:
            if time.monotonic() - self._counted_at < COUNTS_SECONDS:
                return
            with books.read() as session:
                counts = ((self._jobs, jobs_by_status(session)),
                          (self._tasks, tasks_by_status(session)))  # fmt: skip
            for gauge, by_status in counts:
                gauge.clear()
                for status, number in by_status.items():
                    gauge.labels(status).set(number)
            self._counted_at = time.monotonic()
