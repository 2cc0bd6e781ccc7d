"""How many jobs may be bound to a queue now, by our own books.

The rule of `broker.slots` for a server: pilots say what slots they have, and ask a moment after a
slot is free. So only a job that waits for longer than jobs are bound ahead, while all pilots are
busy, proves that no slot is free; and where slots are idle all the same, what waits there does not
fit, and does not count for work that does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from broker.slots import Room, SlotMemory
from broker.thresholds import Thresholds
from broker.values import Load


@dataclass(frozen=True, slots=True)
class Pilots:
    """Pilots at work at a queue that are alike: how many, and what each of them has."""

    n_pilots: int
    n_slots: int
    core_count: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Alike:
    """Jobs that wait at a queue and are alike. `priority` is their tasks'; `for_long`: for
    longer than jobs are bound ahead.
    """

    share: str
    priority: int
    core_count: int
    memory_mb: int
    for_long: bool
    n_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What our own books say of a queue."""

    pilots: tuple[Pilots, ...] = ()
    n_running: int = 0
    """Jobs that a pilot has."""
    running_cores: int = 0
    running_memory_mb: int = 0
    waiting: tuple[Alike, ...] = ()

    @property
    def n_waiting(self) -> int:
        """Jobs that wait there."""
        return sum(alike.n_jobs for alike in self.waiting)

    @property
    def n_slots(self) -> int:
        """Slots of the pilots there."""
        return sum(each.n_pilots * each.n_slots for each in self.pilots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A task that asks for places: whose it is, and what each of its jobs takes."""

    share: str = "default"
    priority: int = 1000
    core_count: int = 1
    memory_mb: int = 2000
    run_seconds: float = 0.0
    """How long its jobs are expected to run; 0: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is known of a queue beside our own books: its statistics and what it declares, ends a
    second as they were seen, jobs sent since the books were read, and when it declared that (what
    was learnt against it counts until it says it anew).
    """

    load: Load = field(default_factory=Load)
    ends_per_second: float = 0.0
    n_sent: int = 0
    declared_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Berth:
    """The room at a queue for one task; `surplus` is how many more of its jobs may be bound
    there, or, below zero, how many have to start first.
    """

    room: Room
    surplus: int

    @property
    def places(self) -> int:
        """How many more jobs may be bound there now."""
        return max(0, self.surplus)

    @property
    def seconds_to_place(self) -> float:
        """When a job may be bound there, as things go."""
        return max(0, 1 - self.surplus) / max(self.room.starts_per_second, 1e-9)


def berth(
    queue: str, asker: Asker, tally: Tally, sight: Sight, memory: SlotMemory, limits: Thresholds
) -> Berth:
    """What a queue has for a task.

    At most what is free and will be within `BIND_AHEAD`, and a floor: where no slots are known,
    jobs must wait for pilots to be started; where pilots are but slots are not declared, more of
    them may come. A share that has nothing in a line of others always gets to stand there, for
    dispatch decides between shares. Work of the same share that is less urgent stands behind.
    """
    able, idle = _able(asker, tally), _idle(asker, tally)
    before, own = _before(asker, tally, idle > 0)
    declared = sight.load.n_slots or 0
    mean_run = sight.load.mean_run_seconds or asker.run_seconds or limits.expected_run_seconds
    by_pilots = tally.n_running + idle if able else 0
    # Where no pilot is, waiting proves nothing: they may be on their way.
    is_full = able > 0 and idle <= 0 and _waits_long(asker, tally)
    room = memory.room(
        f"{queue}/{asker.core_count}/{asker.memory_mb}",
        Load(n_slots=max(declared, by_pilots), mean_run_seconds=mean_run),
        tally.n_running, before, sight.declared_at, is_full,
    )  # fmt: skip
    if room.n_slots < by_pilots:
        # What pilots have at this moment stands against all that was learnt.
        room = replace(room, n_slots=by_pilots, free=idle - before)
    # A queue that nobody was seen at is taken for a slot: else it would be no line at all.
    rate = max(room.starts_per_second, sight.ends_per_second, 1 / max(1.0, mean_run))
    soon = int(max(room.starts_per_second, sight.ends_per_second) * limits.bind_ahead_seconds)
    room = replace(room, starts_per_second=rate)
    surplus = room.free + soon + _floor(declared, able, limits) - sight.n_sent
    if before > own:
        surplus = max(surplus, max(1, soon) - own - sight.n_sent)
    return Berth(room, surplus)


def _floor(declared: int, able: int, limits: Thresholds) -> int:
    if declared:
        return 0
    return int(limits.bind_growth if able else limits.bind_floor)


def _able(asker: Asker, tally: Tally) -> int:
    """How many of its jobs the pilots there could run if they had nothing else."""
    return sum(
        each.n_pilots
        * min(
            each.n_slots,
            each.core_count // max(1, asker.core_count),
            each.memory_mb // max(1, asker.memory_mb),
        )
        for each in tally.pilots
    )


def _idle(asker: Asker, tally: Tally) -> int:
    """How many of its jobs the pilots there could start now."""
    cores = sum(each.n_pilots * each.core_count for each in tally.pilots) - tally.running_cores
    memory = sum(each.n_pilots * each.memory_mb for each in tally.pilots) - tally.running_memory_mb
    return max(0, min(
        _able(asker, tally), tally.n_slots - tally.n_running,
        cores // max(1, asker.core_count), memory // max(1, asker.memory_mb),
    ))  # fmt: skip


def _before(asker: Asker, tally: Tally, are_idle: bool) -> tuple[int, int]:
    """Jobs that wait before those of the asker: all, and those of its own share."""
    found = [
        (alike.n_jobs, alike.share == asker.share)
        for alike in tally.waiting
        if (alike.share != asker.share or alike.priority >= asker.priority)
        and not (are_idle and alike.for_long and not _is_no_larger(alike, asker))
    ]
    return sum(n for n, _ in found), sum(n for n, own in found if own)


def _waits_long(asker: Asker, tally: Tally) -> bool:
    """Whether jobs wait there for long that would start if the asker's could."""
    return any(alike.for_long and _is_no_larger(alike, asker) for alike in tally.waiting)


def _is_no_larger(alike: Alike, asker: Asker) -> bool:
    return alike.core_count <= asker.core_count and alike.memory_mb <= asker.memory_mb
