"""A queue's settings: one JSON document, validated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from culm.wire.codec import decode


def _limit(maximum: float) -> Any:
    return field(default=None, metadata={"minimum": 1, "maximum": maximum})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What a queue offers and how its pilots are watched. A limit that is None does not hold.

    `core_power` is the HS06 of one core. `heartbeat_seconds` is how often a pilot reports a
    running job; a job is lost when nothing was heard of it for `lease_seconds`.
    """

    core_count: int | None = _limit(4096)
    max_memory_mb: int | None = _limit(16_000_000)
    max_disk_mb: int | None = _limit(1_000_000_000)
    max_walltime_seconds: int | None = _limit(31_536_000)
    core_power: float = field(default=10.0, metadata={"minimum": 0.001, "maximum": 10_000})
    heartbeat_seconds: float = field(default=30.0, metadata={"minimum": 0.05, "maximum": 3600})
    lease_seconds: float = field(default=300.0, metadata={"minimum": 0.2, "maximum": 86_400})


def queue_settings(document: Mapping[str, Any], queue: str) -> QueueSettings:
    """The settings that a queue's document holds.

    Raises:
        InvalidRequest: a key is unknown or a value wrong, each named.
    """
    return _decoded(json.dumps(document, sort_keys=True), queue)


@lru_cache(maxsize=10_000)
def _decoded(document: str, queue: str) -> QueueSettings:
    """Dispatch and reports read the same few documents all the time."""
    return decode(QueueSettings, json.loads(document), f"settings of queue {queue}")
