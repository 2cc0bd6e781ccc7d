"""Whether scouts show that a task is wrongly configured (documentation, 15.7). Pure.

Such a task becomes `exhausted` and waits for its owner, who is told what was found and what
can be done about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.scouting import Asked, Lesson, Scout, percentile
from tasks.thresholds import Scouting

FAR = 2.0
"""Measured over asked: from here on it is far from what was asked."""
OVERUSE = 1.5
"""CPUs used over CPUs allotted: from here on others on the node suffer."""
OVERUSE_SECONDS = 60.0
"""Shorter jobs do nobody harm."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what its owner can do."""

    reason: str
    advice: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.advice}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict is made from."""

    scouts: Sequence[Scout]
    asked: Asked
    lesson: Lesson
    rules: Scouting


def findings(evidence: Evidence) -> list[Finding]:
    """Everything that exhausts the task; empty if it may go on."""
    found = (check(evidence) for check in CHECKS)
    return [finding for finding in found if finding is not None]


def memory_leak(evidence: Evidence) -> Finding | None:
    """The memory of most scouts grew with time, over SCOUT_MEM_LEAK_PER_CORE_<activity>."""
    limit = evidence.rules.mem_leak_per_core
    slopes = [
        s.leak_kb_per_second / s.core_count
        for s in evidence.scouts if s.leak_kb_per_second is not None
    ]  # fmt: skip
    if limit is None or not slopes or percentile(slopes, 50) <= limit:
        return None
    return Finding(
        f"memory leak: memory grew by {percentile(slopes, 50):.0f} kB/s a core, "
        f"{limit:.0f} are allowed",
        "mend the leak, or make jobs shorter",
    )


def short_jobs(evidence: Evidence) -> Finding | None:
    """Most scouts were short (SCOUT_SHORT_EXECTIME_<activity>), and no size can mend that."""
    minutes = evidence.rules.short_exectime_minutes
    timed = [s for s in evidence.scouts if s.wall_seconds > 0]
    if minutes is None or not timed or not evidence.asked.size_is_given:
        return None
    short = [s for s in timed if s.wall_seconds < minutes * 60]
    if 2 * len(short) <= len(timed):
        return None
    return Finding(
        f"too many short jobs: {len(short)} of {len(timed)} ran for less than {minutes:g} min",
        "give each job more files or events, or do not say how many",
    )


def far_memory(evidence: Evidence) -> Finding | None:
    """Scouts used far more memory than was asked for."""
    asked, used = evidence.asked.ram_count_mb, evidence.lesson.ram_count_mb
    floor = evidence.rules.ram_count_min or 0.0
    if used is None or used <= max(FAR * asked, floor):
        return None
    return Finding(
        f"ramCount is {used:.0f} MB a core, {asked:.0f} asked",
        f"ask for the memory that it needs (at least {used:.0f} MB a core)",
    )


def far_cpu_time(evidence: Evidence) -> Finding | None:
    """Scouts took far longer an event than the owner said."""
    asked, used = evidence.asked.cpu_time, evidence.lesson.cpu_time
    if used is None or not asked or used <= FAR * asked:
        return None
    return Finding(
        f"cpuTime is {used:.4g} HS06 s an event, {asked:.4g} asked",
        "give the CPU time that an event takes, or none",
    )


def low_efficiency(evidence: Evidence) -> Finding | None:
    """Scouts used less of their CPUs than the task's minCpuEfficiency."""
    least, used = evidence.asked.min_cpu_efficiency, evidence.lesson.cpu_efficiency
    if least is None or used is None or used >= least:
        return None
    return Finding(
        f"CPU efficiency is {used:.0%}, {least:.0%} are needed",
        "ask for fewer cores, or see what the payload waits for",
    )


def too_many_cpus(evidence: Evidence) -> Finding | None:
    """Most scouts used more CPUs than they were allotted."""
    long = [s for s in evidence.scouts if s.wall_seconds >= OVERUSE_SECONDS]
    if not long or percentile([s.cpu_efficiency for s in long], 50) < OVERUSE:
        return None
    cpus = percentile([s.cpu_seconds / s.wall_seconds for s in long], 50)
    cores = evidence.asked.core_count
    return Finding(
        f"{cpus:.1f} CPUs are used, {cores} allotted",
        "ask for as many cores as it uses, or limit its threads (OMP_NUM_THREADS)",
    )


CHECKS: tuple[Callable[[Evidence], Finding | None], ...] = (
    memory_leak, short_jobs, far_memory, far_cpu_time, low_efficiency, too_many_cpus,
)  # fmt: skip
