"""What brokerage reads and gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the jobs of one task need, and where their owner wants them."""

    core_count: int = 1
    memory_mb: int = 0
    disk_mb: int = 0
    walltime_seconds: int = 0
    site: str | None = None
    excluded_sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A compute queue: what it offers (None: no limit) and what is there now."""

    name: str
    site: str
    status: str = "online"
    core_count: int | None = None
    max_memory_mb: int | None = None
    max_disk_mb: int | None = None
    max_walltime_seconds: int | None = None
    n_waiting: int = 0
    n_running: int = 0
    has_pilots: bool = True


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a queue was not taken: the first rule that refused it, with the numbers."""

    queue: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A queue that takes the work, and its weight (more is better)."""

    queue: str
    weight: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The outcome of brokerage: best queues first, and every rejection."""

    ranked: tuple[Ranked, ...]
    rejections: tuple[Rejection, ...]
