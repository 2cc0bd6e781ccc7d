"""Policies to compare with that bind every job as soon as it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from broker.simulation.desk import Desk, Plain
from broker.simulation.job import Job

RETRY_SECONDS = 300.0
"""When no queue is online that could run a job, it is looked at again after this time."""


class _Early(Plain):
    """Binds a job to one of the queues that are online, by the view, and wide enough."""

    def bind(self, desk: Desk) -> None:
        """Bind every job."""
        online = [i for i, queue in enumerate(desk.view) if queue.status == "online"]
        by_width: dict[int, list[int]] = {}
        self.begin(desk)
        while job := desk.next():
            width = job.task.slots
            if width not in by_width:
                by_width[width] = [i for i in online if desk.stations[i].spec.slots >= width]
            able = by_width[width]
            if able:
                desk.bind(job, self.choose(desk, able, job))
            else:
                desk.defer(job, desk.now + RETRY_SECONDS)

    def begin(self, desk: Desk) -> None:
        """Look at the desk before a round."""

    def choose(self, desk: Desk, able: Sequence[int], job: Job) -> int:
        """One of the queues that are able, which are never none."""
        raise NotImplementedError


class RandomQueue(_Early):
    """Any queue, each as likely."""

    name = "random"

    def choose(self, desk: Desk, able: Sequence[int], job: Job) -> int:
        """One of the queues."""
        return desk.random.choice(able)


class RandomBySlots(_Early):
    """Any queue, the larger the likelier."""

    name = "random_by_slots"

    def choose(self, desk: Desk, able: Sequence[int], job: Job) -> int:
        """One of the queues."""
        return desk.random.choices(able, [desk.stations[i].spec.slots for i in able])[0]


class RoundRobin(_Early):
    """The queues in turn."""

    name = "round_robin"

    def __init__(self) -> None:
        self._turn = -1

    def choose(self, desk: Desk, able: Sequence[int], job: Job) -> int:
        """The next queue."""
        self._turn += 1
        return able[self._turn % len(able)]


class LeastLoaded(_Early):
    """The queue with the fewest jobs for each slot: by the view, or by what is true now."""

    def __init__(self, *, fresh: bool) -> None:
        self.name = "least_loaded_fresh" if fresh else "least_loaded"
        self._is_fresh = fresh
        self._slots: list[int] = []
        self._taken: Counter[int] = Counter()

    def begin(self, desk: Desk) -> None:
        """Note how many slots are taken or wanted at each queue."""
        self._slots = [max(1, station.spec.slots) for station in desk.stations]
        if self._is_fresh:
            taken = {s.index: s.busy + s.line.slots for s in desk.stations}
        else:
            loads = (queue.load for queue in desk.view)
            taken = {i: load.n_running + load.n_activated for i, load in enumerate(loads)}
        self._taken = Counter(taken)

    def choose(self, desk: Desk, able: Sequence[int], job: Job) -> int:
        """The least loaded; the first of several."""
        chosen = min(able, key=lambda index: self._taken[index] / self._slots[index])
        if self._is_fresh:
            self._taken[chosen] += job.task.slots
        return chosen
