"""Queue filling: empty queues get suitable tasks of their own (panda-docs 21.1.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from culm.core.thresholds import threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How much is pre-assigned, by activity."""

    max_tasks: int = threshold(
        3, "MAX_PREASSIGNED_TASKS_<activity>", "tasks",
        "pre-assigned to an empty queue, for each resource type",
    )  # fmt: skip
    min_files_ready: int = threshold(
        50, "MIN_FILES_READY_<activity>", "files", "ready in a task that is pre-assigned"
    )
    min_files_remaining: int = threshold(
        100,
        "MIN_FILES_REMAINING_<activity>",
        "files",
        "not finished in a task that is pre-assigned",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fillable:
    """A task that could fill queues: those that have its input and take its jobs."""

    task_id: int
    priority: int
    activity: str
    resource_type: str
    n_files_ready: int
    n_files_remaining: int
    queues: frozenset[str]


def has_enough(task: Fillable, limits: Filling) -> bool:
    """Whether a task has enough left to fill a queue with."""
    return (
        task.n_files_ready >= limits.min_files_ready
        and task.n_files_remaining >= limits.min_files_remaining
    )


def pre_assign(
    tasks: Iterable[Fillable],
    empty_queues: Iterable[str],
    limits: Mapping[str, Filling],
    present: Mapping[tuple[str, str, str], int],
) -> dict[int, str]:
    """The queue that each chosen task is to fill, by the task's number.

    Tasks of high priority choose first, and take the queue with the fewest tasks. `limits` are
    by activity; `present` counts what is pre-assigned already, by (queue, activity, resource
    type).
    """
    empty, counts, chosen = sorted(empty_queues), Counter(present), {}
    for task in sorted(tasks, key=lambda t: (-t.priority, t.task_id)):
        if not has_enough(task, limits[task.activity]):
            continue
        keys = [(q, task.activity, task.resource_type) for q in empty if q in task.queues]
        free = [key for key in keys if counts[key] < limits[task.activity].max_tasks]
        if free:
            key = min(free, key=lambda key: (counts[key], key))
            counts[key] += 1
            chosen[task.task_id] = key[0]
    return chosen
