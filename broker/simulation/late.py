"""Policies to compare with that know what is free and bind a job only to a free slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broker.simulation.desk import Desk, Plain
from broker.simulation.job import Job, Key, by_work


class _Late(Plain):
    reads_view = False

    def bind(self, desk: Desk) -> None:
        """Bind jobs as long as slots are free."""
        free = {station.index: station.free for station in desk.stations if station.free > 0}
        while free and (job := desk.next(max(free.values()))):
            able = [index for index in free if free[index] >= job.task.slots]
            index = self.choose(desk, able, job, free)
            desk.bind(job, index)
            free[index] -= job.task.slots
            if free[index] <= 0:
                del free[index]

    def choose(self, desk: Desk, able: Sequence[int], job: Job, free: Mapping[int, int]) -> int:
        """One of the queues with room for the job, which are never none."""
        raise NotImplementedError


class Pull(_Late):
    """One central queue of jobs: a free slot, whichever asks first, takes the best."""

    name = "pull"

    def choose(self, desk: Desk, able: Sequence[int], job: Job, free: Mapping[int, int]) -> int:
        """The queue of any free slot, each as likely."""
        return desk.random.choices(able, [free[index] for index in able])[0]


class Oracle(_Late):
    """Knows every run time and every free slot: the shortest job of a share and a priority goes
    where it ends first.
    """

    name = "oracle"
    key: Key = staticmethod(by_work)

    def choose(self, desk: Desk, able: Sequence[int], job: Job, free: Mapping[int, int]) -> int:
        """The queue where the job ends first."""

        def run_seconds(index: int) -> float:
            spec = desk.stations[index].spec
            return job.work_seconds / spec.core_speed + desk.transfers.seconds(job.task, spec)

        return min(able, key=run_seconds)
