"""What a task's end is called. Pure."""

from __future__ import annotations

from tasks.lifecycles import TaskEvent


def verdict(n_files: int, n_finished: int) -> TaskEvent:
    """The event that ends a task, by how much of its primary input succeeded."""
    if n_finished and n_finished == n_files:
        return TaskEvent.ALL_SUCCEEDED
    return TaskEvent.PARTLY_SUCCEEDED if n_finished else TaskEvent.NONE_SUCCEEDED
