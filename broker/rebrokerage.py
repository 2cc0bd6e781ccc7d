"""Rebrokerage: which jobs wait in vain where they are, and are better sent elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broker.rules import shown
from broker.thresholds import Thresholds

_CLOSED = ("test", "offline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job that was sent to a queue and has not started."""

    job_id: int
    queue: str
    waiting_seconds: float
    n_moves: int = 0
    """How often it was sent elsewhere before, it and the attempts that it took over from."""
    is_pinned: bool = False
    """Its owner named this queue: it has nowhere else to go."""
    free_at: str = ""
    """Another queue that has a free slot for it, if one has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A queue as those that wait there see it."""

    status: str = "online"
    status_seconds: float = 0.0
    """Since when it has the status."""
    keeps_jobs: bool = False
    """Paused, or `disableReassign`: nothing moves away."""


@dataclass(frozen=True, slots=True)
class Move:
    """A job to be closed and brokered again, and why."""

    job_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAt:
    """Jobs of one share at one queue."""

    share: str
    queue: str
    n_queued: int
    """Defined, assigned, activated or starting."""
    n_running: int
    declares_slots: bool = False
    """The queue says how many slots it has: a long line there is meant."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A share whose queued jobs should leave a queue, and why."""

    share: str
    queue: str
    reason: str


def rebroker(
    jobs: Iterable[Waiting], queues: Mapping[str, Standing], limits: Thresholds
) -> list[Move]:
    """The jobs that should be brokered again (documentation, FAQ: how jobs are reassigned; and
    much sooner, what was bound just in time and finds a free slot elsewhere).

    At most three times each; a queue that vanished gives up its jobs however often they moved.
    """
    moves = []
    for job in jobs:
        reason = _reason(job, queues.get(job.queue), limits)
        if reason:
            moves.append(Move(job.job_id, reason))
    return moves


def _reason(job: Waiting, queue: Standing | None, limits: Thresholds) -> str:
    if queue is None:
        return f"queue {job.queue} is no more"
    if queue.keeps_jobs or queue.status == "paused" or job.is_pinned:
        return ""
    if job.n_moves >= limits.rebro_max_times:
        return ""
    closed_hours = queue.status_seconds / 3600
    if queue.status in _CLOSED and closed_hours > limits.rebro_status_hours:
        return f"queue {job.queue} is {queue.status} for {shown(closed_hours)} h"
    return _in_vain(job, limits)


def _in_vain(job: Waiting, limits: Thresholds) -> str:
    hours = job.waiting_seconds / 3600
    if hours > limits.rebro_waiting_hours:
        return f"it waits at queue {job.queue} for {shown(hours)} h"
    if job.free_at and job.waiting_seconds > limits.rebind_seconds:
        words = f"it waits at queue {job.queue} for {shown(job.waiting_seconds)} s"
        return f"{words}, and queue {job.free_at} has a free slot"
    return ""


def crowds(counts: Iterable[ShareAt], limits: Thresholds) -> list[Crowd]:
    """Where fast rebrokerage clears a share's line (documentation 12.1.3).

    All three thresholds must be passed, and the share must name the third; a queue at which
    nothing runs is past the first.
    """
    there = list(counts)
    queued: dict[str, int] = {}
    for count in there:
        queued[count.share] = queued.get(count.share, 0) + count.n_queued
    return [
        Crowd(count.share, count.queue, _crowd_reason(count, queued[count.share]))
        for count in there
        if _is_crowd(count, queued[count.share], limits)
    ]


def _is_crowd(count: ShareAt, n_everywhere: int, limits: Thresholds) -> bool:
    least = limits.fast_rebro_threshold_nqueue.get(count.share)
    if least is None or count.declares_slots or count.n_queued <= least:
        return False
    return (
        count.n_queued > limits.fast_rebro_threshold_nqnr_ratio * count.n_running
        and count.n_queued > limits.fast_rebro_threshold_nqueue_frac * n_everywhere
    )


def _crowd_reason(count: ShareAt, n_everywhere: int) -> str:
    return (
        f"{count.n_queued} of the {n_everywhere} queued jobs of share {count.share} wait at queue "
        f"{count.queue}, where {count.n_running} run"
    )
