"""What a task's end is called."""

from __future__ import annotations

import pytest

from tasks.lifecycles import TaskEvent
from tasks.roll_up import verdict


@pytest.mark.parametrize(
    ("n_files", "n_finished", "event"),
    [
        (3, 3, TaskEvent.ALL_SUCCEEDED),
        (3, 2, TaskEvent.PARTLY_SUCCEEDED),
        (3, 0, TaskEvent.NONE_SUCCEEDED),
        (0, 0, TaskEvent.NONE_SUCCEEDED),
    ],
)
def test_verdict(n_files: int, n_finished: int, event: TaskEvent) -> None:
    assert verdict(n_files, n_finished) == event
