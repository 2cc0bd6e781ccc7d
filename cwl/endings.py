"""How parts of a run end, and where they are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class End(StrEnum):
    """How something ended. Skipped and blocked things never ran."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    BLOCKED = "blocked"

    @property
    def is_bad(self) -> bool:
        """Whether there is no output although there should be."""
        return self in (End.FAILED, End.BLOCKED)


@dataclass(frozen=True, slots=True)
class Ending:
    """How something ended, with its outputs by name (nothing there: null).

    `told`: what failed in it is among the failures already.
    """

    end: End
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    told: bool = False


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the run: path, branches and iterations around, first number, iteration."""

    path: str = ""
    suffix: tuple[int, ...] = ()
    number: int = 0
    iteration: int | None = None
