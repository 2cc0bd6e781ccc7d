"""Resource types as an operator gives and sees them: kinds of need that jobs are counted by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest

UNDEFINED = "Undefined"
"""What fits no type is counted as this (documentation, 5.5.4: the catch-all)."""
_NAME = {"pattern": names.USER, "longest": 32, "rule": "a resource type's name"}
_CORES = {"minimum": 1, "maximum": 4096}
_MEMORY = {"minimum": 0, "maximum": 16_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResourceType:
    """A type: jobs with so many cores and so much memory a core are of it, both ends included.

    A bound that is None does not hold. Of the types that fit a job, the one that asks for most
    counts.
    """

    name: str = field(metadata=_NAME)
    min_cores: int = field(default=1, metadata=_CORES)
    max_cores: int | None = field(default=None, metadata=_CORES)
    min_memory_mb_per_core: int = field(default=0, metadata=_MEMORY)
    max_memory_mb_per_core: int | None = field(default=None, metadata=_MEMORY)

    def check(self) -> NewResourceType:
        """This type, if its bounds fit together.

        Raises:
            InvalidRequest: with a fault for each that does not.
        """
        faults = list(_faults(self))
        if faults:
            raise InvalidRequest(f"resource type {self.name} cannot be", faults=faults)
        return self


def _faults(wanted: NewResourceType) -> Iterator[FieldFault]:
    if wanted.name == UNDEFINED:
        yield FieldFault("name", UNDEFINED, "another name: this is what fits no type")
    for what in ("cores", "memory_mb_per_core"):
        least, most = getattr(wanted, f"min_{what}"), getattr(wanted, f"max_{what}")
        if most is not None and least > most:
            yield FieldFault(f"min_{what}", str(least), f"at most max_{what}, which is {most}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTypeView:
    """A type of the books, and the jobs that were of it when they were counted last."""

    name: str
    min_cores: int = 1
    max_cores: int | None = None
    min_memory_mb_per_core: int = 0
    max_memory_mb_per_core: int | None = None
    n_queued: int = 0
    n_running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTypeList:
    """All types in order of their names."""

    types: tuple[ResourceTypeView, ...]
