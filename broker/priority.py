"""Priorities of jobs, and how they rise with waiting (panda-docs 4.1, "How job priorities")."""

from __future__ import annotations

from math import ceil

MERGE = 5000
BUILD = 2000
"""Above every run job: they wait for it."""
SCOUT_RAISE = 100
FRESH_USER = 1000
"""The priority of the first job of somebody who has none active."""
CEILING = 1101
"""What waiting lifts a job to: above every fresh job of a user (they end at 1100)."""
PERIOD_SECONDS = 1200.0
"""Priorities of what waits are recalculated every 20 minutes."""


def of_user_job(task_priority: int, n_active: int, number: int) -> int:
    """The priority of the `number`-th new job (from 0) of a task of somebody who has `n_active`
    jobs already: `1000 - (T + n) / 5`, around the task's own priority.

    Jobs for a group count the group's active jobs instead.
    """
    return task_priority - (n_active + number) // 5


def of_scout(task_priority: int) -> int:
    """The priority of a scout: above every other job of its task."""
    return task_priority + SCOUT_RAISE


def aged(priority: int, waited_seconds: float, deadline_seconds: float) -> int:
    """The priority after one more period of waiting.

    It rises in equal steps so that it is at the ceiling when the deadline (after which what was
    not started goes back to brokerage) is a period away: nothing starves. A priority at or over
    the ceiling stays.
    """
    if priority >= CEILING:
        return priority
    steps_left = max(1.0, (deadline_seconds - waited_seconds) / PERIOD_SECONDS)
    return priority + ceil((CEILING - priority) / steps_left)
