"""In what a task gives its CPU time and memory (documentation, 15.1 and 15.2)."""

from __future__ import annotations

from enum import StrEnum


class CpuTimeUnit(StrEnum):
    """In what `cpu_time` of a task is given; `Fixed`: scouts do not overwrite it."""

    HS06S = "HS06sPerEvent"
    MILLI = "mHS06sPerEvent"
    HS06S_FIXED = "HS06sPerEventFixed"
    MILLI_FIXED = "mHS06sPerEventFixed"

    @property
    def is_fixed(self) -> bool:
        """Whether scouts leave the value alone."""
        return self.value.endswith("Fixed")

    @property
    def seconds(self) -> float:
        """HS06 seconds in one of this unit."""
        return 0.001 if self.value.startswith("m") else 1.0


class RamCountUnit(StrEnum):
    """In what the memory of a task is given; `Fixed`: scouts do not overwrite it."""

    MB_PER_CORE = "MBPerCore"
    MB_PER_CORE_FIXED = "MBPerCoreFixed"

    @property
    def is_fixed(self) -> bool:
        """Whether scouts leave the value alone."""
        return self.value.endswith("Fixed")
