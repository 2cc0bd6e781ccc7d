"""Culm's weight with all jobs bound at once: what keeping them back is to be compared with."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from broker.allotting import allot
from broker.ledger import Ledger
from broker.ranking import Broker
from broker.simulation.demand import demand_of
from broker.simulation.desk import Desk, Plain
from broker.simulation.job import Job, Key, by_due

RETRY_SECONDS = 300.0
"""When no queue takes a task, it is looked at again after this time."""


class AtOnce(Plain):
    """Binds every job when it comes, where it should wait least. It counts what it sent since
    the view was taken, and takes off what must have ended.
    """

    name = "culm_at_once"
    key: Key = staticmethod(by_due)

    def __init__(self) -> None:
        self._ledger = Ledger()

    def bind(self, desk: Desk) -> None:
        """Bind every job."""
        self._ledger.seen(desk.view_at)
        known = replace(desk.known, ledger=self._ledger, age_seconds=desk.now - desk.view_at)
        broker = Broker(desk.view, known)
        index_of = {queue.name: index for index, queue in enumerate(desk.view)}
        groups: dict[str, list[Job]] = {}
        while job := desk.next():
            groups.setdefault(job.task.name, []).append(job)
        for jobs in groups.values():
            waiting = iter(jobs)
            ranking = broker.rank(demand_of(jobs[0].task))
            for name, count in allot(len(jobs), ranking):
                self._ledger.note(name, count, desk.now)
                for job in islice(waiting, count):
                    desk.bind(job, index_of[name])
            for job in waiting:
                desk.defer(job, desk.now + RETRY_SECONDS)
