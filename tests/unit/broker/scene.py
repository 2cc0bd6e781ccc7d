"""What the tests of brokerage are made of."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from broker.thresholds import thresholds
from broker.values import Demand, Load, Queue
from broker.view import View

_OF_LOAD = {f.name for f in fields(Load)}


def a_queue(name: str = "CERN", site: str = "CERN-T0", **changes: Any) -> Queue:
    """A queue with a pilot; what belongs to its load goes there."""
    load = {"last_pilot_seconds_ago": 10.0}
    load |= {key: changes.pop(key) for key in list(changes) if key in _OF_LOAD}
    return Queue(name=name, site=site, load=Load(**load), **changes)


def a_demand(**changes: Any) -> Demand:
    return Demand(**changes)


def a_view(limits: dict[str, float] | None = None, **changes: Any) -> View:
    return View(thresholds=thresholds(limits or {}), **changes)
