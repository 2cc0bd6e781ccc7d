"""What a payload uses: memory of its process tree, its directory's size, its output's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilot.limits import Usage
from pilot.memory_trend import MemoryTrend

LONGEST_PERIOD_SECONDS = 10.0
_FIRST_SAMPLE_SECONDS = 1.0
_LEAK_PERIODS = 30
"""Memory is looked at for so many of the longest periods before its slope is told."""
_DISK_SHARE = 100.0
"""A look at the directory may take a hundredth of the time."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a payload is looked at: each second at first, then ever less often.

    Most payloads that eat memory do it early, and a look costs milliseconds.
    """

    longest_period_seconds: float = LONGEST_PERIOD_SECONDS

    @property
    def first_sample_seconds(self) -> float:
        """The seconds that a payload runs before the first look."""
        return min(_FIRST_SAMPLE_SECONDS, self.longest_period_seconds)

    def next_sample(self, wall_seconds: float) -> float:
        """Seconds until the next look at a payload that has run for so many."""
        wanted = max(self.first_sample_seconds, wall_seconds / 20)
        return min(wanted, self.longest_period_seconds)

    @property
    def leak_seconds(self) -> float:
        """A payload that runs for less is not asked whether its memory grows."""
        return _LEAK_PERIODS * self.longest_period_seconds


class Monitor:
    """Looks at one payload; remembers its peaks, and how its memory went."""

    def __init__(self, leader: int, work: Path, stdout: Callable[[], int], rhythm: Rhythm) -> None:
        self._leader, self._work, self._stdout = leader, work, stdout
        self.trend = MemoryTrend(rhythm.leak_seconds)
        self._disk_at = 0.0
        self.work_dir_mb = 0.0
        self.max_memory_mb = 0.0
        self.read_mb = 0.0
        self.write_mb = 0.0

    def sample(self, wall_seconds: float) -> Usage:
        """What is used now."""
        memory_mb = self._memory_mb()
        self.max_memory_mb = max(self.max_memory_mb, memory_mb)
        self.trend.add(wall_seconds, memory_mb)
        return Usage(
            memory_mb=memory_mb,
            wall_seconds=wall_seconds,
            work_dir_mb=self._disk_mb(),
            stdout_mb=self._stdout() / 1e6,
        )

    def _memory_mb(self) -> float:
        import psutil

        try:
            leader = psutil.Process(self._leader)
            tree = [leader, *leader.children(recursive=True)]
        except psutil.Error:
            return 0.0
        total = read = written = 0
        for process in tree:
            try:
                total += _memory_bytes(process)
                io = process.io_counters()
            except (psutil.Error, OSError):
                continue  # it ended while we looked
            read, written = read + io.read_bytes, written + io.write_bytes
        self.read_mb, self.write_mb = (
            max(self.read_mb, read / 1e6),
            max(self.write_mb, written / 1e6),
        )
        return total / 1e6

    def _disk_mb(self) -> float:
        started = time.monotonic()
        if started >= self._disk_at:
            self.work_dir_mb = size_below(self._work) / 1e6
            took = time.monotonic() - started
            self._disk_at = started + took * _DISK_SHARE
        return self.work_dir_mb


def _memory_bytes(process: object) -> int:
    import psutil

    assert isinstance(process, psutil.Process)  # noqa: S101 - for the type checker
    try:
        full = process.memory_full_info()
    except (psutil.AccessDenied, NotImplementedError):
        return process.memory_info().rss
    # PSS counts a page shared by n processes as one nth of a page in each.
    return int(getattr(full, "pss", full.rss)) + int(getattr(full, "swap", 0))


def size_below(folder: Path) -> int:
    """The bytes that the files below a directory take on disk; links are not followed."""
    total = 0
    stack = [str(folder)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue  # it went away, or may not be read
    return total
