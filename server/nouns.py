"""All nouns of the API."""

from collections.abc import Iterable

from server.panda.nouns import PANDA_NOUNS
from server.routes.audit import audit
from server.routes.configuration import configuration
from server.routes.datasets import datasets
from server.routes.files import files
from server.routes.grid import grid
from server.routes.health import health
from server.routes.job_requests import job_requests
from server.routes.jobs import jobs
from server.routes.metrics import metrics
from server.routes.organisations import organisations
from server.routes.pilots import pilots
from server.routes.queues import queues
from server.routes.resource_types import resource_types
from server.routes.retry_rules import retry_rules
from server.routes.sandboxes import sandboxes
from server.routes.searches import searches
from server.routes.secrets import secrets
from server.routes.shares import shares
from server.routes.storage import storage
from server.routes.tasks import tasks
from server.routes.whoami import whoami
from server.routes.workers import workers
from server.routes.workflow_runs import workflows
from server.routing import Noun

NOUNS = (
    tasks, searches, jobs, job_requests, workflows, datasets, files, sandboxes, secrets, queues,
    grid, pilots, workers, shares, resource_types, configuration, retry_rules, storage,
    organisations, whoami, audit, metrics, health, *PANDA_NOUNS,
)  # fmt: skip
"""All nouns, in the order of the documentation."""


def by_heat(nouns: Iterable[Noun]) -> list[Noun]:
    """The nouns that are asked for most, first. No path fits the routes of two nouns."""
    return sorted(nouns, key=lambda noun: noun is not pilots)
