"""What a task would become if it were submitted now: how many jobs, of what size, where, when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The least, the mean and the most of something over all jobs."""

    least: float
    mean: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsForecast:
    """The jobs that would be made, and what each of them asks for.

    `n_scouts` of them go first; `n_builds` and `n_merges` are jobs beside them. `n_files` and the
    size count the primary input, `n_events` is None where jobs are not counted by events.
    """

    n_jobs: int
    n_scouts: int
    n_builds: int
    n_merges: int
    files: Span
    input_mb: Span
    events: Span | None
    core_count: int
    memory_mb: int
    disk_mb: int
    walltime_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueForecast:
    """What one queue says: taken, not yet or never; and if it takes jobs, how many and when.

    `rank` counts from 1; `places` are jobs that it would take at once (None: no end of them).
    `wait_seconds` is until the first of them may be bound there, `run_seconds` how long one is
    expected to take; None: not known.
    """

    queue: str
    verdict: str
    rank: int | None = None
    weight: float | None = None
    n_jobs: int = 0
    places: int | None = None
    n_slots: int = 0
    wait_seconds: float | None = None
    run_seconds: float | None = None
    rule: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a task would become: nothing of it was written.

    `verdict` is taken, not yet or never, `summary` says it in words. `wait_seconds` is until its
    first job may start, `end_seconds` until its last has run, by what is known of the queues.
    """

    name: str
    verdict: str
    summary: str
    jobs: JobsForecast
    details: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    queues: tuple[QueueForecast, ...] = ()
    wait_seconds: float | None = None
    run_seconds: float | None = None
    end_seconds: float | None = None
