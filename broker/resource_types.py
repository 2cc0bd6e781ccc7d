"""Resource types: what jobs need, in few kinds, so that work and workers can be counted by them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from culm.wire.resource_types import UNDEFINED


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A kind of need: bounds of cores and of memory a core, both ends included; None: none."""

    name: str
    min_cores: int = 1
    max_cores: int | None = None
    min_memory_mb_per_core: int = 0
    max_memory_mb_per_core: int | None = None

    def fits(self, core_count: int, memory_mb: int) -> bool:
        """Whether a job with these cores and this memory in all is of this type."""
        per_core = -(-memory_mb // core_count)
        cores = self.min_cores <= core_count <= (self.max_cores or core_count)
        most = per_core if self.max_memory_mb_per_core is None else self.max_memory_mb_per_core
        return cores and self.min_memory_mb_per_core <= per_core <= most


USUAL = (
    ResourceType(name="SCORE", max_cores=1, max_memory_mb_per_core=2000),
    ResourceType(name="SCORE_HIMEM", max_cores=1, min_memory_mb_per_core=2001),
    ResourceType(name="MCORE", min_cores=2, max_memory_mb_per_core=2000),
    ResourceType(name="MCORE_HIMEM", min_cores=2, min_memory_mb_per_core=2001),
)
"""What a new database has."""


def resource_type_of(types: Iterable[ResourceType], core_count: int, memory_mb: int) -> str:
    """The name of the type of a job: of those that fit, the one that asks for most."""
    fitting = [each for each in types if each.fits(core_count, memory_mb)]
    fitting.sort(key=lambda t: (-t.min_cores, -t.min_memory_mb_per_core, t.name))
    return fitting[0].name if fitting else UNDEFINED
