"""The statistics of the queues as brokerage reads them: what was true when they were taken."""

from __future__ import annotations

from collections.abc import Iterable

from broker.simulation.station import Station
from broker.simulation.world import World
from broker.thresholds import Thresholds
from broker.values import Link, Load, Queue
from broker.view import View

CORE_POWER_AT_SPEED_ONE = 10.0
"""HS06 of a core that does one work second in a second."""


def seen(stations: Iterable[Station]) -> tuple[Queue, ...]:
    """The queues and what is there now, in the order of the world."""
    return tuple(_seen(station) for station in stations)


def known(world: World) -> View:
    """The links and thresholds of a world."""
    links = {
        (link.source, link.destination): Link(mb_per_second_last_hour=link.mb_per_second)
        for link in world.links
    }
    expected = Thresholds(expected_mb_per_second=world.default_mb_per_second)
    return View(links=links, thresholds=expected)


def _seen(station: Station) -> Queue:
    spec = station.spec
    return Queue(
        name=spec.name,
        site=spec.place,
        status="online" if station.is_up else "offline",
        core_power=spec.core_speed * CORE_POWER_AT_SPEED_ONE,
        load=Load(
            n_activated=station.line.n_jobs,
            n_running=station.busy,
            n_batch_jobs=station.capacity,
            n_slots=station.capacity,
            mean_run_seconds=station.done_seconds / station.n_done if station.n_done else None,
            last_pilot_seconds_ago=0.0 if station.is_up else None,
        ),
    )
