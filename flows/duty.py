"""What a flow run has to do when `culm daemon` starts it: no JSON parameter could carry it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Duty:
    """The name of the flow run, and the shift that it is."""

    title: str
    body: Callable[[], Awaitable[Any]]


DUTY: ContextVar[Duty | None] = ContextVar("culm_duty", default=None)
"""Set in the context in which a stage's flow is called; empty where people call it."""
