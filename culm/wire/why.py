"""Why: what keeps a task or a job from going on, and what would help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """How many queues a rule of brokerage refuses, and the nearest of its offers in words.

    `passes`: it is a state that may be another one tomorrow.
    """

    rule: str
    n_queues: int
    passes: bool
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsAt:
    """How many unfinished jobs are at a queue in a status."""

    queue: str
    status: str
    n_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWhy:
    """What hinders a task. `verdict` says of its next jobs whether a queue takes them: `taken`,
    `not yet` (waiting can help) or `never` (something must change); empty where none are to come.
    """

    task_id: int
    status: str
    summary: str
    verdict: str = ""
    brokerage: str = ""
    changes: tuple[str, ...] = ()
    rules: tuple[RuleCount, ...] = ()
    jobs: tuple[JobsAt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWhy:
    """What a job waits for, or how it ended, in words."""

    job_id: int
    task_id: int
    status: str
    queue: str
    summary: str
