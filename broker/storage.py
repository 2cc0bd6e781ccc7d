"""Where a task's output is gathered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A storage endpoint as one queue reaches it."""

    id: int
    name: str
    queue: str
    site: str
    online: bool


def choose(places: Sequence[Place], site: str | None) -> Place | None:
    """The endpoint that most online queues reach, at the site asked for if there is one there.

    Ties go by name. None if there is no endpoint at all.
    """
    here = [p for p in places if site in (p.queue, p.site)] or list(places)
    reach = Counter(p.name for p in here if p.online)
    return min(here, key=lambda p: (-reach[p.name], p.name), default=None)
