"""What a task asked for against what its jobs used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceView:
    """One resource of a job. None: not asked for, not measured, or not asked for from now on."""

    name: str
    unit: str
    asked: float | None = None
    used: float | None = None
    next: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResources:
    """The resources of a task's jobs; `n_jobs` were measured, as far as anything was.

    `scouting`: how far it is (scouting, scouted, settled); empty for a task without scouts.
    """

    task_id: int
    scouting: str
    n_jobs: int
    resources: tuple[ResourceView, ...]
