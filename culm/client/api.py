"""Client: all calls to a server in one object."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from culm.client.configuration import ConfigurationCalls
from culm.client.datasets import DatasetCalls
from culm.client.jobs import JobCalls
from culm.client.queues import QueueCalls
from culm.client.resource_types import ResourceTypeCalls
from culm.client.retry_rules import RetryRuleCalls
from culm.client.searches import SearchCalls
from culm.client.secrets import SecretCalls
from culm.client.service import ServiceCalls
from culm.client.shares import ShareCalls
from culm.client.tasks import TaskCalls
from culm.client.tokens import find_token
from culm.client.transport import Transport
from culm.client.workflow_runs import WorkflowRunCalls
from culm.client.workflows import WorkflowCalls
from culm.core.settings import Settings, load_settings


class Client(
    TaskCalls,
    SearchCalls,
    WorkflowRunCalls,
    JobCalls,
    DatasetCalls,
    QueueCalls,
    ShareCalls,
    ResourceTypeCalls,
    RetryRuleCalls,
    ConfigurationCalls,
    WorkflowCalls,
    SecretCalls,
    ServiceCalls,
):
    """Speaks to a Culm server as one user; may be shared by threads.

    Server and token come from the settings where they are not given. As a context manager it
    closes its connections at the end.
    """

    def __init__(
        self,
        server_url: str | None = None,
        token: str | None = None,
        token_file: Path | str | None = None,
        *,
        settings: Settings | None = None,
        patience_seconds: float = 10.0,
    ) -> None:
        self.settings = settings or load_settings({"server_url": server_url})
        found = find_token(self.settings, os.environ, token, token_file)
        self.transport = Transport(
            (server_url or self.settings.server_url).rstrip("/"), found, patience_seconds
        )

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
