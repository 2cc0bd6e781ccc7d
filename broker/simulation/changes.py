"""What if: changes to a world in a few words, such as `queue.CERN.slots=500`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from broker.shares import Share, scaled
from broker.simulation.world import SimShare, World, world_of
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.codec import encode

FORMS = "queue.NAME.FIELD=VALUE, share.NAME=WEIGHT or world.FIELD=VALUE"


def changed(world: World, changes: Iterable[str]) -> World:
    """The world with these changes, checked as if it had been written so. The weights of a
    share's siblings keep their proportions, so that all still add up.

    Raises:
        InvalidRequest: a change is not understood, or the world that it makes is none.
    """
    for change in changes:
        world = _changed(world, change)
    return world


def _changed(world: World, change: str) -> World:
    path, equals, text = change.partition("=")
    kind, _, rest = path.strip().partition(".")
    value = _value(text)
    if not equals or not rest:
        raise _not_understood(change)
    if kind == "queue":
        return _queue_changed(world, rest, value)
    if kind == "share":
        return _share_changed(world, rest, value)
    if kind == "world":
        return world_of({**encode(world), rest: value})
    raise _not_understood(change)


def _queue_changed(world: World, path: str, value: Any) -> World:
    name, _, field = path.rpartition(".")
    document = encode(world)
    queues = document["queues"]
    hit = next((queue for queue in queues if queue["name"] == name), None)
    if hit is None:
        known = [queue["name"] for queue in queues]
        fault = FieldFault("queue", name or path, unknown_name(name or path, known))
        raise InvalidRequest("no such queue", hint=FORMS, faults=[fault])
    hit[field] = value
    return world_of(document)


def _share_changed(world: World, name: str, value: Any) -> World:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        fault = FieldFault(f"share.{name}", repr(value), "a number")
        raise InvalidRequest("no weight", hint=FORMS, faults=[fault])
    shares = [_as_written(share) for share in scaled(world.tree(), name, float(value))]
    return world_of({**encode(world), "shares": encode(shares)})


def _as_written(share: Share) -> SimShare:
    return SimShare(name=share.name, weight=share.weight, parent=share.parent)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _not_understood(change: str) -> InvalidRequest:
    fault = FieldFault("set", repr(change), FORMS)
    return InvalidRequest("change not understood", faults=[fault])
