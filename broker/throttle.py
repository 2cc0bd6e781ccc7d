"""Throttling: whether a share × resource type has enough queued already."""

from __future__ import annotations

from dataclasses import dataclass

from culm.core.thresholds import threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a partition (share × resource type) has: jobs queued and running, and input files of
    the queued ones.
    """

    n_queued: int = 0
    n_running: int = 0
    n_queued_files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """When enough is queued. Up to `floor_jobs` nothing is throttled: an idle system must be
    able to start.
    """

    queued_per_running: float = threshold(
        5.0, "NQUEUE_PER_NRUN", "queued jobs a running one",
        "over it, a share x resource type gets no new jobs",
    )  # fmt: skip
    floor_jobs: int = threshold(
        100_000, "NQUEUELIMIT", "jobs", "up to so many queued, the ratio does not count"
    )
    max_queued_jobs: int = threshold(
        2_000_000, "NQUEUECAP", "jobs", "never more than so many queued jobs"
    )
    max_queued_files: int = threshold(
        20_000_000, "NFILESCAP", "files", "never more than so many input files of queued jobs"
    )


def refusal(backlog: Backlog, caps: Caps) -> str:
    """Why no more jobs are to be generated now, with the numbers; empty if they may be."""
    if backlog.n_queued > caps.max_queued_jobs:
        return f"{backlog.n_queued} jobs are queued, over the cap of {caps.max_queued_jobs}"
    if backlog.n_queued_files > caps.max_queued_files:
        return (
            f"{backlog.n_queued_files} files wait in queued jobs, "
            f"over the cap of {caps.max_queued_files}"
        )
    most = caps.queued_per_running * backlog.n_running
    if backlog.n_queued > max(most, caps.floor_jobs):
        return (
            f"{backlog.n_queued} jobs are queued, over {caps.queued_per_running:g} x "
            f"{backlog.n_running} running (and over {caps.floor_jobs})"
        )
    return ""
