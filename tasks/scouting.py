"""What the first jobs of a task teach (documentation, 15; spec/lifecycle.md, Scouting). Pure.

Scouts run first; what pilots measured of them sets what the rest asks for. It is looked at
twice: when half of the scouts finished, and when the first 100 jobs after them did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

from tasks.memory_steps import step_up
from tasks.sizing import Cost
from tasks.thresholds import Scouting

Value = TypeVar("Value", float, float | None)

N_SCOUTS = 10
FIRST_JOBS = 100
"""So many jobs finished after the avalanche: the second look (15)."""
WORTH = 2
"""A task with fewer than so many times the scouts' jobs has nothing left to use a lesson for."""
EVENTS_PER_CORE = 10
LONG_SECONDS = 6 * 3600.0
FEW_EVENTS = 10
SAFETY = 1.5
SHORTEST_SECONDS = 1.0
"""The CPU time of a job that ran for less says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scout:
    """What is known of one finished job. Sizes are MB, times seconds; 0: not measured.

    `leak_kb_per_second` is the slope of its PSS over time, None where the pilot gives none.
    """

    job_id: int = 0
    n_events: int = 1
    core_count: int = 1
    core_power: float = 10.0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_pss_mb: float = 0.0
    work_dir_mb: float = 0.0
    input_mb: float = 0.0
    output_mb: float = 0.0
    read_mb: float = 0.0
    write_mb: float = 0.0
    leak_kb_per_second: float | None = None

    @property
    def cpu_efficiency(self) -> float:
        """CPU time over wall time and cores; over 1: more CPUs were used than allotted."""
        return self.cpu_seconds / (self.wall_seconds * self.core_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a task asks for, as its owner set it. Sizes are MB; memory and CPU time a core's.

    `cpu_time` is in HS06 seconds, whatever its unit. Limits that are None do not hold.
    `size_is_given`: it says how big a job is. `target_output_gb` is tgtMaxOutputForNG.
    """

    core_count: int = 1
    ram_count_mb: float = 2000.0
    ram_count_is_fixed: bool = False
    base_ram_mb: float = 0.0
    cpu_time: float | None = None
    cpu_time_is_fixed: bool = False
    cpu_efficiency: float = 0.9
    base_seconds: float = 0.0
    output_mb_per_event: float = 0.0
    work_disk_mb: float = 0.0
    min_cpu_efficiency: float | None = None
    size_is_given: bool = False
    n_gb_per_job: float | None = None
    target_output_gb: float | None = None

    @property
    def cost(self) -> Cost:
        """What sizing takes of it."""
        return Cost(
            cpu_time=self.cpu_time, cpu_efficiency=self.cpu_efficiency,
            base_seconds=self.base_seconds, output_mb_per_event=self.output_mb_per_event,
            work_disk_mb=self.work_disk_mb,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What jobs measured; None: nothing that counts. Units as in `Asked`.

    `io_intensity` and `disk_io` are kB/s; `max_pss_mb`, `wall_seconds` and `work_disk_mb` are
    the largest seen.
    """

    n_jobs: int = 0
    cpu_time: float | None = None
    ram_count_mb: float | None = None
    input_mb_per_event: float | None = None
    output_mb_per_event: float | None = None
    work_disk_mb: float | None = None
    io_intensity: float | None = None
    disk_io: float | None = None
    cpu_efficiency: float | None = None
    max_pss_mb: float | None = None
    wall_seconds: float | None = None


def counts(scout: Scout) -> bool:
    """Whether a scout's time tells of events (15.1): enough of them, or a long run."""
    enough = scout.n_events >= EVENTS_PER_CORE * scout.core_count
    return enough or scout.wall_seconds >= LONG_SECONDS


def cpu_time(scout: Scout, asked: Asked) -> float:
    """CpuTime of one job, HS06 seconds an event (15.1)."""
    seconds = max(0.0, scout.wall_seconds - asked.base_seconds)
    power = scout.core_power * scout.core_count * asked.cpu_efficiency
    return seconds * power * SAFETY / max(scout.n_events, 1)


def ram_count(scout: Scout, asked: Asked, rules: Scouting) -> float:
    """RamCount of one job, MB a core (15.2)."""
    margin = 1 + rules.ram_count_margin / 100
    measured = (scout.max_pss_mb - asked.base_ram_mb) / scout.core_count * margin
    return max(measured, rules.ram_count_min or 0.0)


def io_intensity(scout: Scout) -> float:
    """IoIntensity of one job, kB/s: what crosses the network while it runs (15.4)."""
    return (scout.input_mb + scout.output_mb) * 1000 / scout.wall_seconds


def disk_io(scout: Scout, rules: Scouting) -> float:
    """DiskIO of one job, kB/s read from and written to local disk, with its cap (15.5)."""
    rate = (scout.read_mb + scout.write_mb) * 1000 / scout.wall_seconds
    return rate if rules.disk_io_cap is None else min(rate, rules.disk_io_cap)


def learn(scouts: Iterable[Scout], asked: Asked, rules: Scouting) -> Lesson:
    """What finished jobs teach together (15.1 to 15.5)."""
    scouts = list(scouts)
    timed = [scout for scout in scouts if scout.wall_seconds > 0]
    # Efficiency 0: the time of a job does not grow with its events, so there is none an event.
    telling = [scout for scout in timed if counts(scout) and asked.cpu_efficiency]
    measured = [scout for scout in scouts if scout.max_pss_mb > 0]
    worked = [scout for scout in timed if scout.wall_seconds >= SHORTEST_SECONDS]
    eventful = [scout for scout in scouts if scout.n_events >= FEW_EVENTS]
    return Lesson(
        n_jobs=len(scouts),
        cpu_time=_rank(rules.cpu_time_rank, telling, lambda s: cpu_time(s, asked)),
        ram_count_mb=_rank(rules.ram_count_rank, measured, lambda s: ram_count(s, asked, rules)),
        input_mb_per_event=_rank(50.0, eventful, lambda s: s.input_mb / s.n_events),
        output_mb_per_event=_rank(75.0, eventful, lambda s: s.output_mb / s.n_events),
        work_disk_mb=_rank(100.0, scouts, lambda s: s.work_dir_mb),
        io_intensity=_rank(100.0, timed, io_intensity),
        disk_io=_rank(100.0, timed, lambda s: disk_io(s, rules)),
        cpu_efficiency=_rank(50.0, worked, lambda s: s.cpu_efficiency),
        max_pss_mb=_rank(100.0, measured, lambda s: s.max_pss_mb),
        wall_seconds=_rank(100.0, timed, lambda s: s.wall_seconds),
    )


def _rank(rank: float, scouts: Sequence[Scout], of: Callable[[Scout], float]) -> float | None:
    return percentile([of(scout) for scout in scouts], rank) if scouts else None


def percentile(values: Iterable[float], rank: float) -> float:
    """The smallest of the values that so many per cent of them do not exceed (nearest rank).

    Raises:
        ValueError: there is no value.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile of nothing")
    return ordered[max(0, ceil(len(ordered) * rank / 100) - 1)]


def adjusted(asked: Asked, lesson: Lesson) -> Asked:
    """What the task asks for from now on.

    Values that are fixed stay. Memory goes by steps, so that a job somewhat bigger than the
    scouts still fits, and never over what was asked unless that much was used. A work directory
    is never asked for smaller than before.
    """
    learnt = replace(
        asked,
        cpu_time=_cpu_time_from_now(asked, lesson),
        ram_count_mb=_ram_from_now(asked, lesson),
        output_mb_per_event=_or(lesson.output_mb_per_event, asked.output_mb_per_event),
        work_disk_mb=max(asked.work_disk_mb, lesson.work_disk_mb or 0.0),
    )
    return replace(learnt, n_gb_per_job=_gb_per_job(learnt, lesson))


def _cpu_time_from_now(asked: Asked, lesson: Lesson) -> float | None:
    return asked.cpu_time if asked.cpu_time_is_fixed else _or(lesson.cpu_time, asked.cpu_time)


def _ram_from_now(asked: Asked, lesson: Lesson) -> float:
    if asked.ram_count_is_fixed or lesson.ram_count_mb is None:
        return asked.ram_count_mb
    step = float(step_up(lesson.ram_count_mb))
    used = (lesson.max_pss_mb or 0.0) - asked.base_ram_mb
    return step if used > asked.ram_count_mb * asked.core_count else min(step, asked.ram_count_mb)


def _gb_per_job(asked: Asked, lesson: Lesson) -> float | None:
    """NGBPerJob (15.6): the input and the output of as many events as make the output that is
    wanted (tgtMaxOutputForNG), and the work directory.
    """
    output_mb, target_gb = asked.output_mb_per_event, asked.target_output_gb
    if target_gb is None or lesson.input_mb_per_event is None or not output_mb:
        return asked.n_gb_per_job
    n_events = target_gb * 1000 / output_mb
    event_mb = lesson.input_mb_per_event + output_mb
    return (n_events * event_mb + asked.work_disk_mb) / 1000


def _or(learnt: float | None, before: Value) -> float | Value:
    return before if learnt is None else learnt
