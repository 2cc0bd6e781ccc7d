"""How many new points a search gets, how many jobs may start, whether it is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from culm.wire.search import SearchSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a segment is. Evaluated are points with a loss, a very large one too."""

    n_points: int
    n_evaluated: int
    most_points: int

    @property
    def is_complete(self) -> bool:
        """Whether every point that there is to be has been evaluated."""
        return self.n_evaluated >= self.most_points


def n_new_points(search: SearchSpec, progress: Progress) -> int:
    """How many points the next round makes now; 0: none is due.

    A round is due when the unevaluated points fall below `min_unevaluated_points`, or when none
    is left, and makes nPointsPerIteration - minUnevaluatedPoints (documentation, 4.1.3).
    """
    unevaluated = progress.n_points - progress.n_evaluated
    if unevaluated >= max(search.min_unevaluated_points, 1):
        return 0
    wanted = search.n_points_per_iteration - search.min_unevaluated_points
    return max(0, min(wanted, progress.most_points - progress.n_points))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSoFar:
    """Evaluation jobs of a search: those alive, and all that count against its limit."""

    n_active: int
    n_used: int


def n_new_jobs(search: SearchSpec, jobs: JobsSoFar) -> int:
    """How many evaluation jobs may be made now."""
    free = search.n_parallel_evaluation - jobs.n_active
    return max(0, min(free, search.most_jobs - jobs.n_used))


def is_used_up(search: SearchSpec, jobs: JobsSoFar) -> bool:
    """Whether the search has had all its evaluation jobs, and none of them is alive."""
    return jobs.n_used >= search.most_jobs and not jobs.n_active
