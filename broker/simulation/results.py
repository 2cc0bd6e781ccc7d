"""What a simulation comes to: one row of figures for each policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.simulation.engine import Trace
from broker.simulation.job import Job

BOUND_SECONDS = 10.0
"""Shorter jobs count as being this long, or a second of waiting would be a slowdown of many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a policy did. Waits are from submission to the first start; jobs that never started
    are counted, and are in no mean.
    """

    policy: str
    n_jobs: int
    n_failed: int
    """Jobs that used up their tries."""
    n_not_ended: int
    makespan_seconds: float
    """From the first submission to the last end."""
    mean_wait_seconds: float
    p95_wait_seconds: float
    bounded_slowdown: float
    """The mean of (end - submission) / (work at speed 1), at least 1: slow cores and failed tries
    count as waiting does (after Feitelson, Metrics for parallel job scheduling, 2001).
    """
    share_deviation: float
    """The mean over the time in which more is wanted than there are slots: the part of the
    running power that is in other hands than the shares say.
    """
    remote_fraction: float
    """Of the jobs, those whose input came from another site."""
    rebrokered: int
    decision_microseconds: float
    """For each job that was bound."""
    notes: tuple[str, ...] = field(default=())


def figures(trace: Trace) -> Figures:
    """The figures of what happened."""
    started = [job for job in trace.jobs if job.started_at is not None]
    ended = [job for job in trace.jobs if job.ended_at is not None]
    done = [job for job in ended if not job.is_failed]
    waits = sorted(wait_seconds(job) for job in started)
    first = min(job.submitted_at for job in trace.jobs)
    return Figures(
        policy=trace.policy,
        n_jobs=len(trace.jobs),
        n_failed=len(ended) - len(done),
        n_not_ended=len(trace.jobs) - len(ended),
        makespan_seconds=max(first, trace.end_seconds) - first,
        mean_wait_seconds=mean(waits),
        p95_wait_seconds=quantile(waits, 0.95),
        bounded_slowdown=mean([slowdown(job) for job in done]),
        share_deviation=mean([part for _, part in trace.deviations]),
        remote_fraction=mean([float(job.is_remote) for job in started]),
        rebrokered=sum(job.n_rebrokered for job in trace.jobs),
        decision_microseconds=1e6 * trace.decision_seconds / max(1, trace.n_decisions),
        notes=tuple(trace.notes),
    )


def wait_seconds(job: Job) -> float:
    """From submission to the first start; 0 for a job that did not start."""
    return 0.0 if job.started_at is None else job.started_at - job.submitted_at


def slowdown(job: Job) -> float:
    """How many times longer the job took than its work; 1 at least."""
    took = (job.ended_at or job.submitted_at) - job.submitted_at
    return max(1.0, took / max(job.work_seconds, BOUND_SECONDS))


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value that this part of the ordered values is below; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
