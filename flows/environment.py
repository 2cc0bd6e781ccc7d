"""What Prefect must find in the environment before it is imported: it reads it then, once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from culm.core.settings import Settings


def prefect_environment(settings: Settings) -> Mapping[str, str]:
    """The variables for every process of ours that talks to Prefect, its server included."""
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": str(settings.data_dir / "prefect"),
        "PREFECT_API_URL": settings.prefect_api_url,
        # Never start a server of its own behind our back: one that is down is said to be down.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        # Its defaults (five attempts, a minute each) would hold the end of a process for minutes.
        "PREFECT_CLIENT_MAX_RETRIES": "3",
        "PREFECT_API_REQUEST_TIMEOUT": "10",
        # While its server is away, pictures may be dropped; memory may not grow without end.
        "PREFECT_EVENTS_WORKER_MAX_QUEUE_SIZE": "20000",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    }


def server_environment(settings: Settings) -> Mapping[str, str]:
    """The variables for the Prefect server of a small installation (`flows.prefect_server`)."""
    return {
        **prefect_environment(settings),
        "PREFECT_UI_API_URL": settings.prefect_api_url,
        # Off by default, and the tables would only grow.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }


def prepare(variables: Mapping[str, str]) -> None:
    """Set what is not set: a Prefect worker's own variables stand above our settings."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    # Prefect only warns where it cannot keep its profile, and goes on.
    with suppress(OSError):
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def api_url() -> str:
    """Prefect's API as this process will call it, after `prepare`."""
    return os.environ["PREFECT_API_URL"].rstrip("/")
