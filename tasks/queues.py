"""A queue's settings: one JSON document, validated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from broker.connectivity import parse_connectivity
from broker.share_policy import parse_share_policy
from broker.software import Software
from broker.values import QueueKind
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import decode


def _setting(
    description: str, unit: str = "", default: Any = None, *, low: float = 1, high: float = 1e9
) -> Any:
    about = {"description": description, "unit": unit}
    if default is None or (isinstance(default, (int, float)) and not isinstance(default, bool)):
        about |= {"minimum": low, "maximum": high}  # type: ignore[dict-item]
    return field(default=default, metadata=about)


def _text(description: str) -> Any:
    return field(default="", metadata={"description": description, "unit": "", "longest": 2000})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What a queue offers, whom it takes, and how its pilots are watched.

    A limit that is None does not hold. Each field's metadata has bounds, unit and description.
    """

    kind: QueueKind = field(
        default=QueueKind.UNIFIED,
        metadata={
            "description": "whose jobs it takes: analysis (activity user), production (all others) "
            "or unified (both)",
            "unit": "",
        },
    )
    workflow: str = _text(
        "how jobs come to its nodes, as CRIC names it (pull_ups, push): the word of "
        "HEARTBEAT_TIMEOUT_<workflow>"
    )
    core_count: int | None = _setting("the most cores of one job", "cores", high=4096)
    min_core_count: int = _setting("the fewest cores of one job", "cores", 1, high=4096)
    core_power: float = _setting("the power of one core", "HS06", 10.0, low=0.001, high=10_000)
    max_memory_mb: int | None = _setting("the most memory of one job", "MB", high=16_000_000)
    min_memory_mb: int = _setting(
        "the least memory of one job: a queue for large ones", "MB", 0, low=0, high=16_000_000
    )
    max_disk_mb: int | None = _setting("scratch disk of one job", "MB", high=1_000_000_000)
    max_walltime_seconds: int | None = _setting(
        "the longest that a job may run", "s", high=31_536_000
    )
    fair_share_policy: str = _text("whom it gives how much, such as `type=evgen:100%`")
    connectivity: str = _text("network of its nodes: full, http or none, then `#IPv4` or `#IPv6`")
    max_disk_io_kb_per_second: float | None = _setting(
        "mean disk I/O a core, above which it takes no IO-intensive task", "kB/s", low=0
    )
    transferring_limit: int | None = _setting(
        "jobs in transfer, above which it takes no more", "jobs", low=0
    )
    n_slots: int | None = _setting(
        "slots that it has for sure; 0: their number changes all the time", "slots", low=0,
        high=10_000_000,
    )  # fmt: skip
    pilot_factor: float = _setting(
        "factor of its weight for analysis", "", 1.0, low=0.001, high=1000
    )
    direct_access: bool = _setting(
        "jobs read input where it is, if nodes have it as files that pilots cannot write to",
        default=False,
    )
    takes_ordinary_jobs: bool = _setting("it takes jobs without event service", default=True)
    takes_event_service: bool = _setting("it takes event service jobs", default=True)
    takes_dynamic_events: bool = _setting("events of a job may be chosen for it", default=True)
    disable_reassign: bool = _setting(
        "jobs that wait there are never sent elsewhere", default=False
    )
    software: Software | None = field(
        default=None,
        metadata={
            "description": "what is installed (platforms, containers, cvmfs, cpu, gpu, tags); "
            "without it, all is",
            "unit": "",
        },
    )
    heartbeat_seconds: float = _setting(
        "how often a pilot reports a running job", "s", 30.0, low=0.05, high=3600
    )
    lease_seconds: float = _setting(
        "a job of which nothing is heard for so long is lost, or for HEARTBEAT_TIMEOUT_<workflow>, "
        "if that is shorter; at least twice heartbeat_seconds",
        "s", 300.0, low=0.2, high=86_400,
    )  # fmt: skip

    def check(self) -> QueueSettings:
        """These settings, if they fit together.

        Raises:
            InvalidRequest: with a fault for each that does not.
        """
        faults = [fault for rule in _RULES for fault in rule(self)]
        if faults:
            raise InvalidRequest("settings do not fit together", faults=faults)
        return self


def _bounds(settings: QueueSettings) -> list[FieldFault]:
    pairs = (("core_count", "min_core_count"), ("max_memory_mb", "min_memory_mb"))
    return [
        FieldFault(least, str(low), f"at most {most}, which is {high}")
        for most, least in pairs
        if (high := getattr(settings, most)) is not None
        and (low := getattr(settings, least)) > high
    ]


def _words(settings: QueueSettings) -> list[FieldFault]:
    faults: list[FieldFault] = []
    for read in (
        lambda: parse_share_policy(settings.fair_share_policy),
        lambda: parse_connectivity(settings.connectivity, "connectivity", "full"),
    ):
        try:
            read()
        except InvalidRequest as error:
            faults += error.faults
    return faults


def _taken(settings: QueueSettings) -> list[FieldFault]:
    if settings.takes_ordinary_jobs or settings.takes_event_service:
        return []
    return [FieldFault("takes_ordinary_jobs", "false", "it must take these or event service jobs")]


def _silence(settings: QueueSettings) -> list[FieldFault]:
    most = settings.lease_seconds / 2
    if settings.heartbeat_seconds <= most:
        return []
    # One report that is lost on its way must not cost the job.
    needed = f"at most {most:g}, half of lease_seconds"
    return [FieldFault("heartbeat_seconds", f"{settings.heartbeat_seconds:g}", needed)]


_RULES: tuple[Callable[[QueueSettings], list[FieldFault]], ...] = (
    _bounds, _words, _taken, _silence,
)  # fmt: skip


def queue_settings(document: Mapping[str, Any], queue: str) -> QueueSettings:
    """The settings that a queue's document holds.

    Raises:
        InvalidRequest: a key is unknown, a value wrong, or two do not fit together; each named.
    """
    return settings_of_text(json.dumps(document, sort_keys=True), queue)


@lru_cache(maxsize=10_000)
def settings_of_text(document: str, queue: str) -> QueueSettings:
    """Like `queue_settings`, from the document's text: dispatch and reports read the same few
    all the time.
    """
    found = decode(QueueSettings, json.loads(document), f"settings of queue {queue}")
    try:
        return found.check()
    except InvalidRequest as error:
        raise InvalidRequest(f"settings of queue {queue}", faults=error.faults) from error
