"""A grid in one document: sites, storage endpoints, queues, links."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from culm.core import names

_NAME = {"pattern": names.USER, "rule": "a name: letters, digits and ._-, at most 63"}
_SPEED = {"minimum": 0, "maximum": 1e9}
_SPACE = {"minimum": 0, "maximum": 1e12}


def _speed() -> Any:
    return field(default=None, metadata=_SPEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEntry:
    """A site. A nucleus can gather the output of tasks that ran elsewhere.

    `down_from` and `down_until` are its next downtime, such as `2026-11-24T08:00:00Z`.
    """

    is_nucleus: bool = False
    down_from: str | None = None
    down_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEntry:
    """A storage endpoint: its site, its URL, its space (GB; None: not known).

    `expired_gb` are held by copies that may be deleted.
    """

    site: str = field(metadata=_NAME)
    url: str = field(metadata={"longest": 1000})
    total_gb: float | None = field(default=None, metadata=_SPACE)
    free_gb: float | None = field(default=None, metadata=_SPACE)
    expired_gb: float | None = field(default=None, metadata=_SPACE)
    is_blacklisted: bool = False
    is_tape: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A queue: its site, its settings, the endpoints that it reads from and writes to.

    Without endpoints a new queue uses those of its site. Without a status, one that is there
    keeps its own and a new one is online.
    """

    site: str = field(metadata=_NAME)
    status: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] | None = None
    writes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEntry:
    """The network from one site to another: what was measured, 0 to 11 how far apart.

    `measured_at` is when the speeds were measured, such as `2026-11-24T08:00:00Z`; without it they
    are taken for those of now.
    """

    source: str = field(metadata=_NAME)
    destination: str = field(metadata=_NAME)
    closeness: float | None = field(default=None, metadata={"minimum": 0, "maximum": 11})
    is_blocked: bool = False
    n_files_queued: int = field(default=0, metadata={"minimum": 0, "maximum": 10**9})
    mb_per_second_last_hour: float | None = _speed()
    mb_per_second_last_day: float | None = _speed()
    mb_per_second_last_week: float | None = _speed()
    measured_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All that one document says. What it does not name stays as it is."""

    sites: dict[str, SiteEntry] = field(default_factory=dict)
    endpoints: dict[str, EndpointEntry] = field(default_factory=dict)
    queues: dict[str, QueueEntry] = field(default_factory=dict)
    links: tuple[LinkEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GridUpload:
    """A document to be written: of this form, or CRIC's list of queues by name."""

    document: dict[str, Any]
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GridChange:
    """What a document changed, or would have; `warnings` name what was left aside."""

    n_sites: int = 0
    n_endpoints: int = 0
    n_links: int = 0
    queues_added: tuple[str, ...] = ()
    queues_changed: tuple[str, ...] = ()
    queues_gone: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    dry_run: bool = False
