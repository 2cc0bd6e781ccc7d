"""When a site is down, as a grid's document says it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from culm.core.errors import FieldFault
from culm.wire.grid import SiteEntry
from tasks.moments import NEEDED, moment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Downtime:
    """From when to when a site is down; without an end, until further notice."""

    begins: datetime | None = None
    ends: datetime | None = None

    def concerns(self, now: datetime, seconds: float) -> bool:
        """Whether work that begins now and takes so long would meet it."""
        if self.begins is None or (self.ends is not None and self.ends <= now):
            return False
        return self.begins < now + timedelta(seconds=seconds)


def downtime_of(entry: SiteEntry) -> Downtime:
    """The downtime of a site's entry that has no faults."""
    return Downtime(begins=moment_of(entry.down_from), ends=moment_of(entry.down_until))


def downtime_faults(site: str, entry: SiteEntry) -> Iterator[FieldFault]:
    """What is wrong with the downtime of a site's entry."""
    wrong = [
        FieldFault(f"sites.{site}.{name}", ascii(text)[:80], NEEDED)
        for name in ("down_from", "down_until")
        if (text := getattr(entry, name)) is not None and moment_of(text) is None
    ]
    yield from wrong
    if wrong or entry.down_until is None:
        return
    found = downtime_of(entry)
    if found.begins is None:
        yield FieldFault(f"sites.{site}.down_from", "missing", "goes with down_until")
    elif found.ends is not None and found.ends <= found.begins:
        yield FieldFault(f"sites.{site}.down_until", entry.down_until, "after down_from")
