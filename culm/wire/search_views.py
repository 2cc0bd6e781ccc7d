"""What the server shows of a hyperparameter search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PointView:
    """A point. `status`: waiting, running, evaluated, or hopeless.

    A hopeless one has a very large loss for tries that all failed, `message` says of what.
    `job_id` is the last job that had it.
    """

    point_nr: int
    parameters: dict[str, Any]
    status: str
    segment: str = ""
    loss: float | None = None
    n_tries: int = 0
    job_id: int | None = None
    message: str = ""
    evaluated_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchView:
    """A search: how far it is, the best point of each segment, and all points in order.

    `sampler` is `steering` where a program of the user's own chooses the points.
    """

    task_id: int
    name: str
    status: str
    final: bool
    reason: str
    version: int
    sampler: str
    seed: int
    n_points: int
    n_evaluated: int
    most_points: int
    n_jobs: int
    most_jobs: int
    n_rounds: int = 0
    best: tuple[PointView, ...] = field(default=())
    points: tuple[PointView, ...] = field(default=())
