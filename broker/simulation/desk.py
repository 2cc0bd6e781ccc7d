"""What a policy has before it: the jobs to bind, what it may know, and where to put them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from broker.simulation.job import Job, Key, by_priority
from broker.simulation.line import Line
from broker.simulation.station import Station
from broker.simulation.transfers import Transfers
from broker.values import Queue
from broker.view import View


@dataclass(slots=True, eq=False, kw_only=True)
class Desk:
    """The desk of a policy. `view` is as old as the world says; `stations` are true now: of them
    an honest policy may know what its own books say, which is what it bound and what started.
    """

    random: Random
    hall: Line
    """Jobs that no queue has yet."""
    stations: Sequence[Station]
    transfers: Transfers
    known: View
    """What brokerage knows beside the queues: links and thresholds."""
    view: tuple[Queue, ...] = ()
    """The queues by the statistics of `view_at`, in the order of the stations."""
    view_at: float = 0.0
    now: float = 0.0
    bound: list[tuple[Job, int]] = field(default_factory=list)
    """What the policy decided in this round."""
    deferred: list[tuple[Job, float]] = field(default_factory=list)
    """Jobs to be looked at again, and when."""
    _taken: list[Job] = field(default_factory=list)

    def next(self, room: int = 10**9) -> Job | None:
        """The job to place next, if one fits the room. It is to be bound or deferred, or stays
        with `keep`.
        """
        job = self.hall.pop(room)
        if job is not None:
            # It counts as running from now on, or the round would serve one share alone.
            self.hall.account.run(job.task.share, job.task.slots)
            self._taken.append(job)
        return job

    def keep(self, job: Job) -> None:
        """Leave a job where it was."""
        self.hall.push(job)

    def bind(self, job: Job, station: int) -> None:
        """Send a job to a queue."""
        self.bound.append((job, station))

    def defer(self, job: Job, until: float) -> None:
        """Look at a job again later."""
        self.deferred.append((job, until))

    def clear(self) -> tuple[list[tuple[Job, int]], list[tuple[Job, float]]]:
        """What was decided in this round; the next begins with nothing."""
        for job in self._taken:
            self.hall.account.run(job.task.share, -job.task.slots)
        decided = self.bound, self.deferred
        self.bound, self.deferred, self._taken = [], [], []
        return decided


class Policy(Protocol):
    """Decides which job goes to which queue, and when."""

    name: str
    cycle_seconds: float
    """The least time between two rounds; 0: at once whenever something changes."""
    rebroker_seconds: float | None
    """After how long a bound job that did not start goes back to be placed anew."""
    reads_view: bool
    """Whether it reads the statistics at all."""
    key: Key
    """How jobs of a share are ordered."""

    def bind(self, desk: Desk) -> None:
        """Bind, defer or leave in the hall each job that is there. Called when something came,
        ended or changed, and jobs are in the hall.
        """


class Plain:
    """What most policies have in common."""

    cycle_seconds: float = 0.0
    rebroker_seconds: float | None = None
    reads_view: bool = True
    key: Key = staticmethod(by_priority)
