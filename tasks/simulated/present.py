"""The queues, links and shares as they are now, as a world to simulate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from broker.simulation.view import CORE_POWER_AT_SPEED_ONE
from broker.simulation.world import SimLink, SimQueue, SimShare, World, checked
from culm.core.errors import FieldFault, InvalidRequest
from tasks.queues import QueueSettings, queue_settings
from tasks.statuses import PilotStatus, QueueStatus
from tasks.store.shares import shares
from tasks.store.tables import ENDPOINT, LINK, PILOT, QUEUE, QUEUE_STATISTICS, SITE

VIEW_SECONDS = 60.0
"""How often the daemon takes the statistics of the queues."""
_MOST_SLOTS = 1_000_000
_HIGHEST_RATE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the last days tell of queues by name, beside what they say of themselves."""

    most_slots: Mapping[str, int] = field(default_factory=dict)
    failure_rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Present:
    """The world as it is now, and words on what of it cannot be simulated."""

    world: World
    notes: tuple[str, ...]


def present(session: Session, seen: Seen) -> Present:
    """The world as it is now. A queue has the slots that its settings say, that its pilots have
    or that it was seen to have at once, whichever is most; none while it is not online.

    Raises:
        InvalidRequest: there is no queue with a slot.
    """
    rows = session.connection().execute(_QUEUES).all()
    queues = tuple(_queue(row, seen) for row in rows)
    if not any(queue.slots for queue in queues):
        fault = FieldFault("--world", "no queue with a slot",
                           "an online queue with n_slots or with pilots (`culm queue set NAME "
                           "n_slots=…`), or days in which jobs ran")  # fmt: skip
        raise InvalidRequest("the books have no world to simulate", faults=[fault])
    sites = {queue.place for queue in queues}
    links = session.connection().execute(_LINKS).all()
    held = session.connection().execute(_STORAGE).scalars()
    world = World(
        queues=queues,
        links=tuple(link for row in links for link in _link(row)),
        storage_sites=tuple(sorted({*held, *_ends(links)} - sites)),
        shares=tuple(SimShare(name=s.name, weight=s.weight, parent=s.parent)
                     for s in shares(session)),
        view_seconds=VIEW_SECONDS,
    )  # fmt: skip
    return Present(checked(world), tuple(_notes(rows, links)))


_PILOTS = (
    select(PILOT.c.queue_id, func.sum(PILOT.c.core_count).label("n_cores"))
    .where(PILOT.c.status == str(PilotStatus.ACTIVE)).group_by(PILOT.c.queue_id).subquery()
)  # fmt: skip
_QUEUES = (
    select(QUEUE.c.name, QUEUE.c.status, QUEUE.c.settings, SITE.c.name.label("site"),
           QUEUE_STATISTICS.c.most_running, _PILOTS.c.n_cores)
    .join(SITE, SITE.c.id == QUEUE.c.site_id)
    .join(QUEUE_STATISTICS, QUEUE_STATISTICS.c.queue_id == QUEUE.c.id, isouter=True)
    .join(_PILOTS, _PILOTS.c.queue_id == QUEUE.c.id, isouter=True)
    .order_by(QUEUE.c.name)
)  # fmt: skip
_FROM, _TO = SITE.alias("source"), SITE.alias("destination")
_LINKS = (
    select(_FROM.c.name.label("source"), _TO.c.name.label("destination"), LINK.c.is_blocked,
           func.coalesce(LINK.c.mb_per_second_last_hour, LINK.c.mb_per_second_last_day,
                         LINK.c.mb_per_second_last_week).label("mb_per_second"))
    .join(_FROM, _FROM.c.id == LINK.c.source_id).join(_TO, _TO.c.id == LINK.c.destination_id)
    .order_by(_FROM.c.name, _TO.c.name)
)  # fmt: skip
_STORAGE = select(SITE.c.name).join(ENDPOINT, ENDPOINT.c.site_id == SITE.c.id).distinct()


def _queue(row: Any, seen: Seen) -> SimQueue:
    settings = queue_settings(row.settings, row.name)
    return SimQueue(
        name=row.name,
        site=row.site,
        slots=_slots(row, settings, seen) if row.status == QueueStatus.ONLINE else 0,
        core_speed=settings.core_power / CORE_POWER_AT_SPEED_ONE,
        failure_rate=min(_HIGHEST_RATE, seen.failure_rates.get(row.name, 0.0)),
    )


def _slots(row: Any, settings: QueueSettings, seen: Seen) -> int:
    told = (settings.n_slots, row.n_cores, row.most_running, seen.most_slots.get(row.name))
    return min(_MOST_SLOTS, max(int(n or 0) for n in told))


def _link(row: Any) -> list[SimLink]:
    if row.source == row.destination or not row.mb_per_second:
        return []
    return [SimLink(source=row.source, destination=row.destination,
                    mb_per_second=row.mb_per_second)]  # fmt: skip


def _ends(links: Sequence[Any]) -> set[str]:
    return {
        site for row in links for link in _link(row) for site in (link.source, link.destination)
    }


def _notes(rows: Sequence[Any], links: Sequence[Any]) -> list[str]:
    closed = [f"{row.name} ({row.status})" for row in rows if row.status != QueueStatus.ONLINE]
    n_blocked = sum(row.is_blocked for row in links)
    notes = []
    if closed:
        notes.append(f"not online, so without slots: {', '.join(closed)}")
    if n_blocked:
        notes.append(f"blocked links, taken as open: {n_blocked}")
    return notes
