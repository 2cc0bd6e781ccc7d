"""Culm's own policy: what a job costs where, by the broker's code, and no job bound early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from broker.allotting import allot
from broker.ranking import Broker
from broker.simulation.demand import demand_of
from broker.simulation.desk import Desk
from broker.simulation.job import Job, Key, by_due
from broker.simulation.workload import SimTask
from broker.slots import BIND_AHEAD_SECONDS, REBIND_SECONDS, Room, SlotMemory
from broker.values import Demand
from broker.weights.wait import Line

CYCLE_SECONDS = 10.0
"""Between two rounds of generation; wake-ups that come meanwhile are served together."""


class JustInTime:
    """Jobs wait in their tasks; each round binds those that should start soon, each where it
    costs least. Of the queues it knows the view and its own books: what it sent, what started.
    """

    rebroker_seconds: float | None = REBIND_SECONDS
    reads_view = True

    def __init__(
        self,
        *,
        name: str = "culm",
        key: Key = by_due,
        cycle_seconds: float = CYCLE_SECONDS,
        ahead_seconds: float = BIND_AHEAD_SECONDS,
    ) -> None:
        self.name = name
        self.key = key
        self.cycle_seconds = cycle_seconds
        self.ahead_seconds = ahead_seconds
        self._memory = SlotMemory()
        self._demands: dict[str, Demand] = {}
        self._lines: dict[str, Line] = {}
        self._broker = Broker(())
        self._broker_of: tuple[object, ...] = ()

    def bind(self, desk: Desk) -> None:
        """Bind what starts soon; the rest stays in the hall."""
        rooms = self._rooms(desk)
        places = [room.places(self.ahead_seconds) for room in rooms.values()]
        left, widest = sum(places), max(places, default=0)
        groups: dict[str, list[Job]] = {}
        while left > 0 and (job := desk.next(min(widest, left))):
            left -= job.task.slots
            groups.setdefault(job.task.name, []).append(job)
        if groups:
            self._spread(desk, groups.values(), rooms)

    def _rooms(self, desk: Desk) -> dict[str, Room]:
        """By queue, where there is a place."""
        rooms: dict[str, Room] = {}
        for station, queue in zip(desk.stations, desk.view, strict=True):
            if queue.status == "online":
                busy, waiting = station.busy, station.line.slots
                room = self._memory.room(queue.name, queue.load, busy, waiting, desk.view_at)
                if room.places(self.ahead_seconds) > 0:
                    rooms[queue.name] = room
        return rooms

    def _spread(self, desk: Desk, groups: Iterable[list[Job]], rooms: Mapping[str, Room]) -> None:
        """Bind the jobs, task by task, where they cost least; keep those that find no place."""
        index_of = {queue.name: i for i, queue in enumerate(desk.view) if queue.name in rooms}
        broker = self._ready(desk, rooms)
        for jobs in groups:
            width = jobs[0].task.slots
            self._lines.update((name, room.line(width)) for name, room in rooms.items())
            ranking = broker.rank(self._demand(jobs[0].task))
            waiting = iter(jobs)
            for name, count in allot(len(jobs), ranking, self.ahead_seconds):
                rooms[name].free -= count * width
                for job in islice(waiting, count):
                    desk.bind(job, index_of[name])
            for job in waiting:
                desk.keep(job)

    def _ready(self, desk: Desk, rooms: Mapping[str, Room]) -> Broker:
        """The broker of the queues that have room; the last one as long as these are the same."""
        subject = (desk.view_at, *rooms)
        if subject != self._broker_of:
            queues = [queue for queue in desk.view if queue.name in rooms]
            self._broker = Broker(queues, desk.known, lines=self._lines)
            self._broker_of = subject
        return self._broker

    def _demand(self, task: SimTask) -> Demand:
        found = self._demands.get(task.name)
        if found is None:
            found = self._demands[task.name] = demand_of(task)
        return found
