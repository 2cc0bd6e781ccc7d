"""What becomes of jobs of which there is no news for long (documentation, 12.1.3). Pure.

The rules are a table: a status, the time, the remedy. None of them applies where the queue is
paused or sets `disableReassign`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from culm.core.units import format_duration
from tasks.statuses import JobStatus as J
from tasks.thresholds import DAY, Timeouts

HIGH_PRIORITY = 800


class Remedy(StrEnum):
    """What is done with a job whose time is over."""

    REBROKER = "rebroker"
    """It is closed, and its input goes back to brokerage: a new job elsewhere."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A job, for how long there is no news of it, and what its queue does.

    `running_seconds` is since it was started; `queue_silent_seconds` since the queue started any
    job, None where it never did.
    """

    status: J
    priority: int = 1000
    seconds: float = 0.0
    running_seconds: float = 0.0
    queue_is_paused: bool = False
    reassign_is_disabled: bool = False
    queue_silent_seconds: float | None = None

    @property
    def is_high(self) -> bool:
        """Whether the rules for high priority hold."""
        return self.priority >= HIGH_PRIORITY


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done with a job, and why."""

    remedy: Remedy
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: `limit` gives the seconds, None where the row does not apply."""

    statuses: tuple[J, ...]
    remedy: Remedy
    limit: Callable[[Quiet, Timeouts], float | None]
    waited: Callable[[Quiet], float] = lambda job: job.seconds
    words: str = "no news"


def _starved(job: Quiet, limits: Timeouts) -> float | None:
    silent = job.queue_silent_seconds
    queue_sleeps = silent is None or silent >= limits.queue_silent_seconds
    return limits.activated_high_seconds if job.is_high and queue_sleeps else None


def _holding(job: Quiet, limits: Timeouts) -> float:
    return limits.holding_high_seconds if job.is_high else limits.holding_days * DAY


def _transferring(job: Quiet, limits: Timeouts) -> float:
    return (limits.transferring_high_days if job.is_high else limits.transferring_days) * DAY


TABLE = (
    Rule((J.PENDING,), Remedy.REBROKER, lambda _, t: t.pending_seconds),
    Rule((J.DEFINED,), Remedy.REBROKER, lambda _, t: t.defined_seconds),
    Rule((J.ASSIGNED,), Remedy.REBROKER, lambda _, t: t.assigned_seconds),
    Rule((J.ACTIVATED,), Remedy.REBROKER, _starved, words="its queue starts nothing"),
    Rule((J.ACTIVATED,), Remedy.REBROKER, lambda _, t: t.activated_seconds),
    Rule((J.SENT,), Remedy.REBROKER, lambda _, t: t.sent_seconds),
    Rule((J.STARTING, J.RUNNING), Remedy.FAIL, lambda _, t: t.heartbeat_seconds,
         words="lost heartbeat"),
    Rule((J.RUNNING,), Remedy.FAIL, lambda _, t: t.running_seconds,
         lambda job: job.running_seconds, "it ran for too long"),
    Rule((J.HOLDING,), Remedy.FAIL, _holding),
    Rule((J.TRANSFERRING,), Remedy.FAIL, _transferring),
)  # fmt: skip
"""A starting job counts as lost, not as waiting: its payload may have begun."""


def due(job: Quiet, limits: Timeouts) -> Due | None:
    """What is to be done with a job now; None: nothing yet."""
    if job.queue_is_paused or job.reassign_is_disabled:
        return None
    for rule in TABLE:
        if job.status not in rule.statuses:
            continue
        limit, waited = rule.limit(job, limits), rule.waited(job)
        if limit is not None and waited >= limit:
            words = f"{rule.words}: {job.status} for {format_duration(waited)}"
            return Due(rule.remedy, f"{words}, {format_duration(limit)} are allowed")
    return None


def shortest_seconds(status: J, limits: Timeouts) -> float | None:
    """The shortest time after which a job of this status may be due; None: no rule speaks of it."""
    jobs = [
        Quiet(status=status, priority=priority, queue_silent_seconds=None)
        for priority in (0, HIGH_PRIORITY)
    ]
    found = [
        limit for rule in TABLE if status in rule.statuses
        for limit in (rule.limit(job, limits) for job in jobs) if limit is not None
    ]  # fmt: skip
    return min(found, default=None)
