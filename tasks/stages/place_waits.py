"""Tasks that wait for a place, as far as this process knows: nobody looks at them in vain.

Their turn comes when slots got free at a queue that takes their jobs, or after a while. It is
only a saving: a process that has just begun looks at each of them once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sqlalchemy import Pool, select
from sqlmodel import Session

from tasks.queues import queue_settings
from tasks.stages.queue_counts import Counts, counts_of
from tasks.store.tables import QUEUE

LOOK_AGAIN_SECONDS = 30.0
"""What else may make room (statistics, thresholds, jobs that do not fit) is seen by then."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a task waits for: by queue, the free slots from which on it is worth a look, and how
    many there were; until when at the latest; and how the queues stood.
    """

    levels: Mapping[str, tuple[int, int]]
    until: float
    fleet: frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Hall:
    waits: dict[int, Wait] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sleepers:
    """Tasks not to be looked at now; those whose turn it is, and how many of these at most."""

    asleep: frozenset[int] = frozenset()
    awake: frozenset[int] = frozenset()
    most_awake: int = 0

    def choose(self, tasks: Iterable[tuple[int, str]], limit: int) -> list[tuple[int, str]]:
        """The first tasks whose turn it is: not more that waited than places have come."""
        chosen: list[tuple[int, str]] = []
        left = self.most_awake
        for task_id, name in tasks:
            if task_id in self.awake:
                left -= 1
            if task_id not in self.asleep and (task_id not in self.awake or left >= 0):
                chosen.append((task_id, name))
            if len(chosen) >= limit:
                break
        return chosen


_halls: WeakKeyDictionary[Pool, _Hall] = WeakKeyDictionary()
_lock = threading.Lock()


def wait_for_place(
    session: Session, task_id: int, counts: Counts, steps: Mapping[str, int]
) -> None:
    """Let a task rest until so many slots get free at one of these queues."""
    queues = _queues(session)
    free = _free(counts, queues)
    levels = {name: (free[name] + max(1, step), free[name]) for name, step in steps.items()
              if name in free}  # fmt: skip
    wait = Wait(levels, time.monotonic() + LOOK_AGAIN_SECONDS, _fleet(queues))
    with _lock:
        _hall(session).waits[task_id] = wait


def sleepers(session: Session, task_ids: Iterable[int] | None) -> Sleepers:
    """Who of those that wait (of these ids, if given) still has to, and whose turn it is."""
    with _lock:
        waits = dict(_hall(session).waits)
    if task_ids is not None:
        waits = {i: waits[i] for i in task_ids if i in waits}
    if not waits:
        return Sleepers()
    queues = _queues(session)
    free, fleet, now = _free(counts_of(session), queues), _fleet(queues), time.monotonic()
    late = {i for i, wait in waits.items() if now >= wait.until or wait.fleet != fleet}
    gained: dict[str, int] = {}
    awake = set()
    for task_id, wait in waits.items():
        for name, (level, before) in wait.levels.items():
            if free.get(name, 0) >= level:
                awake.add(task_id)
                gained[name] = max(gained.get(name, 0), free[name] - before)
    _forget(session, late)
    return Sleepers(
        asleep=frozenset(waits.keys() - awake - late), awake=frozenset(awake - late),
        most_awake=sum(gained.values()),
    )  # fmt: skip


def forget_wait(session: Session, task_id: int) -> None:
    """A task that is looked at waits anew, or no more."""
    _forget(session, [task_id])


def _forget(session: Session, task_ids: Iterable[int]) -> None:
    with _lock:
        hall = _hall(session)
        for task_id in task_ids:
            hall.waits.pop(task_id, None)


def _hall(session: Session) -> _Hall:
    return _halls.setdefault(session.connection().engine.pool, _Hall())


@dataclass(frozen=True, slots=True)
class _Queue:
    id: int
    status: str
    n_declared: int


def _queues(session: Session) -> dict[str, _Queue]:
    rows = session.connection().execute(
        select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.status, QUEUE.c.settings)
    )
    return {
        row.name: _Queue(row.id, row.status, queue_settings(row.settings, row.name).n_slots or 0)
        for row in rows
    }


def _free(counts: Counts, queues: Mapping[str, _Queue]) -> dict[str, int]:
    """Slots that no job has or waits for: one more with every job that ends or goes back."""
    found = {}
    for name, queue in queues.items():
        tally = counts.tally(queue.id)
        there = tally.n_running + tally.n_waiting + counts.ledger.assigned(name)
        found[name] = max(tally.n_slots, queue.n_declared) - there
    return found


def _fleet(queues: Mapping[str, _Queue]) -> frozenset[tuple[str, str]]:
    return frozenset((name, queue.status) for name, queue in queues.items())
