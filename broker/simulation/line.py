"""Lines of jobs: the share furthest below its due comes first, inside it a key decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

from broker.simulation.account import Account
from broker.simulation.job import Job, Key

_Part = tuple[str, int]
"""A share (or none, if shares do not count) and a width in slots."""


class Line:
    """Jobs that wait. Narrow jobs may pass a wide one of their share that finds no room."""

    def __init__(self, account: Account, key: Key) -> None:
        """Begin empty."""
        self.account = account
        self.key = key
        self.slots = 0
        """Slots that the waiting jobs want."""
        self.n_jobs = 0
        self._heaps: dict[_Part, list[tuple[tuple[float, ...], Job]]] = {}

    def push(self, job: Job) -> None:
        """Add a job."""
        share = job.task.share if self.account.in_order else ""
        heap = self._heaps.setdefault((share, job.task.slots), [])
        heappush(heap, (self.key(job), job))
        self._count(job, 1)

    def pop(self, room: int) -> Job | None:
        """The job to serve first among those that fit the room, in slots."""
        best: tuple[float, tuple[float, ...]] | None = None
        chosen: list[tuple[tuple[float, ...], Job]] = []
        for (share, width), heap in self._heaps.items():
            if heap and width <= room:
                rank = (self.account.above_due(share) if share else 0.0, heap[0][0])
                if best is None or rank < best:
                    best, chosen = rank, heap
        if best is None:
            return None
        _, job = heappop(chosen)
        self._count(job, -1)
        return job

    def withdraw(self, wanted: Callable[[Job], bool]) -> Iterator[Job]:
        """Take out the jobs that are wanted, whatever their place."""
        for heap in self._heaps.values():
            leaving = [job for _, job in heap if wanted(job)]
            if not leaving:
                continue
            heap[:] = [entry for entry in heap if not wanted(entry[1])]
            heapify(heap)
            for job in leaving:
                self._count(job, -1)
            yield from leaving

    def _count(self, job: Job, by: int) -> None:
        self.n_jobs += by
        self.slots += by * job.task.slots
