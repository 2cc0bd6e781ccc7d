"""The engine: events in the order of their time, until every job has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Any

from broker.shares import ShareTree
from broker.simulation.account import Account
from broker.simulation.desk import Desk, Policy
from broker.simulation.job import Job, by_age
from broker.simulation.line import Line
from broker.simulation.station import Run, Station
from broker.simulation.transfers import Transfers
from broker.simulation.view import known, seen
from broker.simulation.workload import SimTask, Workload
from broker.simulation.world import World

SETTLE_SECONDS = 300.0
"""How often it is worked out what each share is due, and the deviation is sampled."""
BACKGROUND_SECONDS = 3600.0
"""How often the part of a queue that others use changes."""
STALLED_SECONDS = 172_800.0
"""With nothing running for so long, what waits will wait for ever."""
BOUNCE_SECONDS = 60.0
"""After how long a job comes back from a queue that is gone."""
MAX_REBROKERED = 3

Timer = Callable[[], float]
Watcher = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What to simulate: the same for every policy that is compared."""

    world: World
    workload: Workload
    seed: int = 0
    fifo: bool = False
    """First come, first served, whatever the shares and priorities."""


@dataclass(slots=True, eq=False)
class Trace:
    """What happened."""

    policy: str
    jobs: list[Job]
    deviations: list[tuple[float, float]] = field(default_factory=list)
    """When, and how far the shares were from what they are due: each 300 s in which more slots
    were wanted than free.
    """
    notes: list[str] = field(default_factory=list)
    """Words on what went wrong on the way."""
    decision_seconds: float = 0.0
    n_decisions: int = 0

    @property
    def end_seconds(self) -> float:
        """When the last job ended; 0 if none did."""
        return max((job.ended_at or 0.0 for job in self.jobs), default=0.0)


def simulate(
    setting: Setting,
    policy: Policy,
    timer: Timer = lambda: 0.0,
    watcher: Watcher = lambda n_ended: None,
) -> Trace:
    """What happens when this policy places the workload in the world.

    `timer` measures how long decisions take, in seconds; without one they count as instant.
    `watcher` is told now and then how many jobs have ended.
    """
    engine = _Engine(setting, policy, timer)
    engine.watcher = watcher
    return engine.run()


class _Engine:
    def __init__(self, setting: Setting, policy: Policy, timer: Timer) -> None:
        self.world, self.policy, self.timer = setting.world, policy, timer
        random = Random(setting.seed)  # noqa: S311 - simulated chance, no secret
        self.jobs = list(_jobs(setting.workload, random, self.world.max_tries))
        self.trace = Trace(policy=policy.name, jobs=self.jobs)
        self.account = Account(ShareTree(self.world.tree()), in_order=not setting.fifo)
        key = by_age if setting.fifo else policy.key
        self.stations = [
            Station(index, spec, Line(self.account, key), capacity=spec.slots)
            for index, spec in enumerate(self.world.queues)
        ]
        self.moods = [_child(random) for _ in self.stations]
        hall = Line(self.account, key)
        self.desk = Desk(
            random=_child(random),
            hall=hall,
            stations=self.stations,
            transfers=Transfers(self.world),
            known=known(self.world),
        )
        self.events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self.n_events = self.n_running = self.n_ended = 0
        self.moved_at = -1.0
        self.last_round = -inf
        self.is_awaited = False
        self.now = 0.0
        self.watcher: Watcher = lambda n_ended: None

    # The loop

    def run(self) -> Trace:
        self._plan()
        events, n_jobs = self.events, len(self.jobs)
        while self.n_ended < n_jobs and events:
            self.now, _, happens, what = heappop(events)
            happens(what)
            if self.desk.hall.n_jobs and not self.is_awaited:
                self._call_round()
        left = n_jobs - self.n_ended
        if left:
            self.trace.notes.append(f"{left} jobs never ended: no queue runs them")
        return self.trace

    def _at(self, when: float, happens: Callable[[Any], None], what: Any = None) -> None:
        self.n_events += 1
        heappush(self.events, (when, self.n_events, happens, what))

    def _plan(self) -> None:
        for station in self.stations:
            if station.spec.background > 0:
                self._at(0.0, self._background, station)
            for down in station.spec.downtimes:
                self._at(down.start_seconds, self._go_down, station)
                if down.end_seconds is None:
                    self._at(down.start_seconds, self._vanish, station)
                else:
                    self._at(down.end_seconds, self._come_up, station)
        self._at(0.0, self._look)
        self._at(0.0, self._settle)
        # After the first look: nobody decides without a view.
        by_time: dict[float, list[Job]] = {}
        for job in self.jobs:
            by_time.setdefault(job.submitted_at, []).append(job)
        for when, jobs in by_time.items():
            self._at(when, self._arrive, jobs)

    # What happens

    def _arrive(self, jobs: Iterable[Job]) -> None:
        self.moved_at = self.now
        self._queue_up(jobs)

    def _queue_up(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.account.queued[job.task.share] += job.task.slots
            self.desk.hall.push(job)

    def _end(self, run: Run) -> None:
        if not run.is_alive:
            return
        job = run.job
        self.moved_at = self.now
        station = self._leave(run)
        if not run.fails:
            station.n_done += 1
            station.done_seconds += run.seconds
            job.ended_at = self.now
            self.n_ended += 1
        elif job.n_tries >= self.world.max_tries:
            job.ended_at, job.is_failed = self.now, True
            self.n_ended += 1
        else:
            self._arrive([job])
        self._fill(station)

    def _background(self, station: Station) -> None:
        spec = station.spec
        others = self.moods[station.index].uniform(0, 2 * spec.background)
        self._set_capacity(station, round(spec.slots * (1 - others)) if station.is_up else 0)
        self._at(self.now + BACKGROUND_SECONDS, self._background, station)

    def _go_down(self, station: Station) -> None:
        station.is_up = False
        self._set_capacity(station, 0)
        lost = sorted(station.runs, key=lambda run: run.job.number)
        for run in lost:
            self._leave(run)
            run.job.n_tries -= 1
        self._arrive([run.job for run in lost])

    def _come_up(self, station: Station) -> None:
        station.is_up = True
        self._set_capacity(station, station.spec.slots)

    def _vanish(self, station: Station) -> None:
        station.is_gone = True
        back = list(station.line.withdraw(lambda _: True))
        self._return(back)
        self.trace.notes.append(
            f"queue {station.spec.name} vanished at {self.now:.0f} s: what ran there started "
            f"anew, {len(back)} jobs that waited there went elsewhere"
        )

    def _look(self, _: None) -> None:
        self.desk.view, self.desk.view_at = seen(self.stations), self.now
        if self.world.view_seconds > 0:
            self._at(self.now + self.world.view_seconds, self._look)

    def _settle(self, _: None) -> None:
        self.watcher(self.n_ended)
        self.account.settle()
        wanted = self.desk.hall.slots + sum(s.line.slots for s in self.stations)
        if wanted > sum(max(0, s.capacity - s.busy) for s in self.stations):
            self.trace.deviations.append((self.now, self.account.deviation()))
        self._rebroker()
        if self.n_running or self.now - self.moved_at < STALLED_SECONDS or self._more_to_come():
            self._at(self.now + SETTLE_SECONDS, self._settle)
        else:
            self.events.clear()

    def _more_to_come(self) -> bool:
        last = self.jobs[-1].submitted_at
        ends = [down.end_seconds or 0 for s in self.stations for down in s.spec.downtimes]
        return self.now <= max([last, *ends])

    # Deciding and starting

    def _call_round(self) -> None:
        cycle = self.policy.cycle_seconds
        if not cycle:
            self._round(None)
            return
        self.is_awaited = True
        self._at(max(self.now, self.last_round + cycle), self._round)

    def _round(self, _: None) -> None:
        desk, self.is_awaited, self.last_round = self.desk, False, self.now
        desk.now = self.now
        if self.world.view_seconds == 0 and self.policy.reads_view:
            desk.view, desk.view_at = seen(self.stations), self.now
        began = self.timer()
        self.policy.bind(desk)
        self.trace.decision_seconds += self.timer() - began
        self.trace.n_decisions += len(desk.bound)
        self._carry_out()

    def _carry_out(self) -> None:
        bound, later = self.desk.clear()
        touched: set[int] = set()
        for job, index in bound:
            if self.stations[index].is_gone:
                # An old view still shows the queue: what is sent there comes back.
                later.append((job, self.now + BOUNCE_SECONDS))
                continue
            job.queue, job.bound_at = index, self.now
            self.stations[index].line.push(job)
            touched.add(index)
        for job, until in later:
            self.account.queued[job.task.share] -= job.task.slots
            self._at(until, self._queue_up, [job])
        for index in sorted(touched):
            self._fill(self.stations[index])

    def _fill(self, station: Station) -> None:
        line = station.line
        while line.n_jobs and station.busy < station.capacity:
            job = line.pop(station.capacity - station.busy)
            if job is None:
                return
            self._start(job, station)

    def _start(self, job: Job, station: Station) -> None:
        spec, task = station.spec, job.task
        self.moved_at = self.now
        self.account.queued[task.share] -= task.slots
        self.account.run(task.share, task.slots * spec.core_speed)
        station.busy += task.slots
        self.n_running += 1
        chance, part = job.luck[min(job.n_tries, len(job.luck) - 1)]
        job.n_tries += 1
        job.n_starts += 1
        if job.started_at is None:
            job.started_at = self.now
        job.is_remote = self.desk.transfers.is_remote(task, spec)
        seconds = job.work_seconds / spec.core_speed + self.desk.transfers.seconds(task, spec)
        fails = chance < spec.failure_rate
        run = Run(job, fails=fails, seconds=seconds * part if fails else seconds)
        station.runs.add(run)
        self._at(self.now + run.seconds, self._end, run)

    def _leave(self, run: Run) -> Station:
        job = run.job
        station = self.stations[job.queue or 0]
        run.is_alive = False
        station.runs.discard(run)
        station.busy -= job.task.slots
        self.n_running -= 1
        self.account.run(job.task.share, -job.task.slots * station.spec.core_speed)
        job.queue = None
        return station

    def _set_capacity(self, station: Station, capacity: int) -> None:
        station.capacity = 0 if station.is_gone else capacity
        self._fill(station)

    # Going back

    def _return(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            job.queue = None
            self.desk.hall.push(job)

    def _rebroker(self) -> None:
        longest = self.policy.rebroker_seconds
        if longest is None:
            return
        before = self.now - longest

        def waits_too_long(job: Job) -> bool:
            return job.bound_at <= before and job.n_rebrokered < MAX_REBROKERED

        for station in self.stations:
            if station.line.n_jobs:
                back = list(station.line.withdraw(waits_too_long))
                for job in back:
                    job.n_rebrokered += 1
                self._return(back)


def _child(random: Random) -> Random:
    return Random(random.getrandbits(64))  # noqa: S311 - simulated chance, no secret


def _jobs(workload: Workload, random: Random, max_tries: int) -> Iterable[Job]:
    number = 0
    for task in workload.tasks:
        expected = task.expected_run_seconds
        for place, work in enumerate(task.work_seconds):
            yield Job(
                number=number,
                task=task,
                work_seconds=work,
                expected_seconds=expected,
                priority=_priority(task, place),
                luck=tuple((random.random(), random.random()) for _ in range(max_tries)),
            )
            number += 1


def _priority(task: SimTask, place: int) -> int:
    """Falling, as for user jobs: the first jobs of every task come soon (panda-docs 4.1)."""
    return task.priority - place // task.priority_step if task.priority_step else task.priority
