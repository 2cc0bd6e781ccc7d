"""The task withholder (panda-docs 21.1.2)."""

from __future__ import annotations

import pytest

from broker.withholding import QueueState, Withholding, why_withheld

FREE = QueueState(status="online", n_queued=20)
BUSY = QueueState(status="online", n_queued=21, n_running=10)
OFF = QueueState(status="offline")
LIMITS = Withholding(limit_io_intensity=100, limit_priority=900)


@pytest.mark.parametrize(
    ("priority", "io_intensity", "queues", "words"),
    [
        (800, 101, {"A": BUSY, "B": OFF},
         "its input is only where nothing is free: A is busy (21 jobs queued, 10 running); "
         "B is offline"),
        (800, 101, {"A": BUSY, "B": FREE}, ""),
        (800, 100, {"A": BUSY}, ""),
        (900, 101, {"A": BUSY}, ""),
        (800, 101, {}, ""),
    ],
)  # fmt: skip
def test_task_waits_while_every_queue_with_its_input_is_hindered(
    priority: int, io_intensity: float, queues: dict[str, QueueState], words: str
) -> None:
    assert why_withheld(priority, io_intensity, queues, LIMITS) == words


def test_without_a_limit_priority_does_not_matter() -> None:
    assert why_withheld(2000, 501, {"A": OFF}, Withholding())
    assert not why_withheld(2000, 500, {"A": OFF}, Withholding())
