"""Prefect's database kept small: old flow runs deleted, runs of dead daemons ended.

By Prefect's API, without its client: a watchdog must not pay for the import.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx

from culm.core.clock import utc_now
from culm.core.errors import Unreachable
from culm.core.settings import load_settings
from flows.environment import api_url, prefect_environment, prepare
from flows.table import all_rows
from tasks.store.books import Books

STAGES = (
    "refine", "feed", "assign", "generate", "collect", "scout", "merge", "steer", "post_process",
    "retry", "command", "workflow",
)  # fmt: skip
_OTHERS = (
    "watchdogs", "run_task", "wait_for_task", "run_workflow", "workflow_picture", "part",
)  # fmt: skip
PAGE = 50
"""The most that Prefect deletes or moves in one call."""
MOST_PAGES = 100
BUSY_ATTEMPTS = 10
BUSY_SECONDS = 0.5


def clean_flow_runs(books: Books, keep_days: float = 7.0) -> str:
    """How many flow runs of ours were deleted that ended more than `keep_days` ago.

    Their task runs and logs go with them. Flow runs of users' own flows are left alone.
    """
    del books  # every row gets the books; Prefect's own database is none of them
    old = {
        "state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}},
        "end_time": {"before_": _ago(timedelta(days=keep_days))},
    }
    with _client() as client:
        count = sum(_apply(client, "bulk_delete", ids, {}) for ids in _pages(client, old))
    return f"{count} flow runs deleted" if count else ""


def end_lost_shifts(books: Books, silent_minutes: float = 60.0) -> str:
    """How many shifts were marked as crashed that started more than `silent_minutes` ago.

    A daemon that was killed could not end them. A shift lasts a quarter of an hour.
    """
    del books
    lost = {
        "state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}},
        "start_time": {"before_": _ago(timedelta(minutes=silent_minutes))},
        "name": {"like_": " shift "},
    }
    state = {"type": "CRASHED", "message": "its daemon was not heard of again"}
    more = {"state": state, "force": True}
    with _client() as client:
        count = sum(_apply(client, "bulk_set_state", ids, more) for ids in _pages(client, lost))
    return f"{count} lost shifts ended" if count else ""


def end_runs_named(name: str) -> None:
    """Mark our unfinished flow runs of this name as crashed: whoever kept them is gone."""
    lost = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}, "name": {"any_": [name]}}
    state = {"type": "CRASHED", "message": "its daemon was not heard of again"}
    with _client() as client:
        for ids in _pages(client, lost):
            _apply(client, "bulk_set_state", ids, {"state": state, "force": True})


def _pages(client: httpx.Client, flow_runs: dict[str, Any]) -> Iterator[list[str]]:
    """Ids of our flow runs that match; the caller changes each page before it takes the next."""
    ours = [*STAGES, *(row.name for row in all_rows()), *_OTHERS]
    body = {"flows": {"name": {"any_": ours}}, "flow_runs": flow_runs, "limit": PAGE}
    for _ in range(MOST_PAGES):
        ids = [run["id"] for run in post(client, "/flow_runs/filter", body)]
        if not ids:
            return
        yield ids


def _apply(client: httpx.Client, verb: str, ids: list[str], more: dict[str, Any]) -> int:
    body = {"flow_runs": {"id": {"any_": ids}}, "limit": PAGE, **more}
    post(client, f"/flow_runs/{verb}", body)
    return len(ids)


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    """The answer of Prefect's API.

    Raises:
        HTTPError: it refused, or was still busy after ten attempts.
    """
    for _ in range(BUSY_ATTEMPTS):
        answer = client.post(path, json=body)
        # Its SQLite was locked by another request: its own client tries again too.
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(BUSY_SECONDS)
    return answer.raise_for_status().json()


def _ago(age: timedelta) -> str:
    moment: datetime = utc_now() - age
    return moment.isoformat()


@contextmanager
def _client() -> Iterator[httpx.Client]:
    prepare(prefect_environment(load_settings()))
    try:
        with httpx.Client(base_url=api_url(), timeout=30.0, trust_env=False) as client:
            yield client
    except httpx.HTTPError as error:
        raise Unreachable(f"Prefect's API {api_url()}: {error}") from error
