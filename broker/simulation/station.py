"""Queues at work: what runs in their slots and what waits for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from broker.simulation.job import Job
from broker.simulation.line import Line
from broker.simulation.world import SimQueue


@dataclass(slots=True, eq=False)
class Run:
    """A job in its slots, until it ends or the queue loses it."""

    job: Job
    fails: bool
    seconds: float
    is_alive: bool = True


@dataclass(slots=True, eq=False)
class Station:
    """A queue at work."""

    index: int
    spec: SimQueue
    line: Line
    capacity: int
    """Slots that are ours now: without what others use, 0 while it is down."""
    busy: int = 0
    is_up: bool = True
    is_gone: bool = False
    n_done: int = 0
    done_seconds: float = 0.0
    """Of the jobs that ended well, together."""
    runs: set[Run] = field(default_factory=set)

    @property
    def free(self) -> int:
        """Slots that nothing runs in and nothing bound here will take."""
        return self.capacity - self.busy - self.line.slots
