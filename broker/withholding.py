"""Task withholding: what can run only where everything is busy is not tried (panda-docs 21.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from culm.core.thresholds import threshold

QUEUED_PER_RUNNING = 2.0
IDLE_START = 20
"""A queue with no more than so many jobs queued is not busy, however few run there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """Which tasks are considered, by activity."""

    limit_io_intensity: float = threshold(
        500.0, "LIMIT_IOINTENSITY_<activity>", "kB/s",
        "only tasks of which a job moves more input a second are withheld",
    )  # fmt: skip
    limit_priority: int | None = threshold(
        None, "LIMIT_PRIORITY_<activity>", "priority", "only tasks below it are withheld"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """A queue's status, and the jobs there."""

    status: str
    n_queued: int = 0
    n_running: int = 0

    @property
    def hindrance(self) -> str:
        """Why it takes no more for now, in words; empty if it does."""
        if self.status != "online":
            return f"is {self.status}"
        if self.n_queued > max(IDLE_START, QUEUED_PER_RUNNING * self.n_running):
            return f"is busy ({self.n_queued} jobs queued, {self.n_running} running)"
        return ""


def why_withheld(
    priority: int,
    io_intensity_kb_per_second: float,
    queues: Mapping[str, QueueState],
    limits: Withholding,
) -> str:
    """Why a task is to wait, in words; empty if it is not.

    `queues` are those that have its input. A task whose input is nowhere, or that moves little,
    may run anywhere, so it is not withheld.
    """
    if io_intensity_kb_per_second <= limits.limit_io_intensity or not queues:
        return ""
    if limits.limit_priority is not None and priority >= limits.limit_priority:
        return ""
    hindrances = {name: state.hindrance for name, state in sorted(queues.items())}
    if not all(hindrances.values()):
        return ""
    shown = "; ".join(f"{name} {words}" for name, words in list(hindrances.items())[:5])
    return f"its input is only where nothing is free: {shown}"
