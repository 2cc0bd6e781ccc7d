"""The world of a simulation: queues, links, shares, and how old the brokers' view of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from broker.shares import DEFAULT, Share, faults_of
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import decode

_POSITIVE = {"minimum": 1e-6}
_SIZE = {"minimum": 0}
_FRACTION = {"minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Downtime:
    """A time in which a queue runs nothing; without an end it never comes back."""

    start_seconds: float = field(metadata=_SIZE)
    end_seconds: float | None = field(default=None, metadata=_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimQueue:
    """A queue: slots (one core each), their speed, and what goes wrong there."""

    name: str = field(metadata={"longest": 63})
    site: str = ""
    """Empty: the queue's own name."""
    slots: int = field(metadata={"minimum": 0, "maximum": 1_000_000})
    core_speed: float = field(default=1.0, metadata=_POSITIVE)
    """Work seconds that a core does in a second."""
    failure_rate: float = field(default=0.0, metadata={"minimum": 0, "maximum": 0.99})
    """The part of the jobs that fail, at any moment of their run."""
    background: float = field(default=0.0, metadata={"minimum": 0, "maximum": 0.5})
    """The mean part of the slots that others use: it changes every hour, from 0 to twice this."""
    downtimes: tuple[Downtime, ...] = ()

    @property
    def place(self) -> str:
        """The site."""
        return self.site or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class SimLink:
    """How fast input comes from one site to another, for each job."""

    source: str
    destination: str
    mb_per_second: float = field(metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimShare:
    """A node of the tree of shares."""

    name: str
    weight: float = field(metadata=_SIZE)
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything but the jobs. Without shares, all work is in one."""

    queues: tuple[SimQueue, ...]
    links: tuple[SimLink, ...] = ()
    default_mb_per_second: float = field(default=50.0, metadata=_POSITIVE)
    """Between sites that no link names."""
    storage_sites: tuple[str, ...] = ()
    """Sites that hold input and have no queue."""
    shares: tuple[SimShare, ...] = ()
    view_seconds: float = field(default=0.0, metadata=_SIZE)
    """How often the statistics of the queues are taken: a view is at most so old; 0: never old."""
    max_tries: int = field(default=3, metadata={"minimum": 1, "maximum": 100})
    """How often a job whose payload fails is started. Lost jobs do not use up tries."""

    def tree(self) -> tuple[Share, ...]:
        """The shares as brokerage knows them; one for everything if the world names none."""
        if not self.shares:
            return (Share(name=DEFAULT, weight=1.0),)
        return tuple(Share(name=s.name, weight=s.weight, parent=s.parent) for s in self.shares)

    def leaves(self) -> frozenset[str]:
        """The shares that work counts for: those without others below."""
        parents = {share.parent for share in self.tree()}
        return frozenset(share.name for share in self.tree() if share.name not in parents)

    def places(self) -> frozenset[str]:
        """The sites: where queues are, and those that only hold input."""
        return frozenset(queue.place for queue in self.queues) | frozenset(self.storage_sites)

    def mb_per_second(self, sources: frozenset[str], destination: str) -> float | None:
        """How fast input comes from the best of the sites; None if it is there already."""
        if not sources or destination in sources:
            return None
        speeds = {link.source: link.mb_per_second
                  for link in self.links if link.destination == destination}  # fmt: skip
        return max(speeds.get(source, self.default_mb_per_second) for source in sources)

    @property
    def power(self) -> float:
        """Work seconds that all queues together do in a second, others' part taken off."""
        return sum(q.slots * q.core_speed * (1 - q.background) for q in self.queues)


def world_of(document: Any) -> World:
    """The world that a document (JSON or YAML, parsed) describes.

    Raises:
        InvalidRequest: it does not; every fault is named.
    """
    world = decode(World, document, "the world")
    return checked(world)


def checked(world: World) -> World:
    """The same world, if it makes sense as a whole.

    Raises:
        InvalidRequest: it does not; every fault is named.
    """
    faults = list(_faults(world))
    if faults:
        raise InvalidRequest("the world makes no sense", faults=faults)
    return world


def _faults(world: World) -> Iterator[FieldFault]:
    for name, count in Counter(q.name for q in world.queues).items():
        if count > 1:
            yield FieldFault(f"queues.{name}", f"stands {count} times", "each queue once")
    if not any(queue.slots for queue in world.queues):
        yield FieldFault("queues", "no slot in all of them", "at least one slot")
    sites = world.places()
    for index, link in enumerate(world.links):
        for end in ("source", "destination"):
            if getattr(link, end) not in sites:
                yield FieldFault(f"links[{index}].{end}", getattr(link, end),
                                 "a site of a queue, or one of storage_sites")  # fmt: skip
    for queue in world.queues:
        yield from _downtime_faults(queue)
    yield from faults_of(world.tree())


def _downtime_faults(queue: SimQueue) -> Iterator[FieldFault]:
    before = 0.0
    for index, down in enumerate(queue.downtimes):
        where = f"queues.{queue.name}.downtimes[{index}]"
        end = down.end_seconds
        if down.start_seconds < before:
            yield FieldFault(f"{where}.start_seconds", f"{down.start_seconds:g}",
                             f"at or after {before:g}, the end of the one before")  # fmt: skip
        if end is not None and end <= down.start_seconds:
            yield FieldFault(f"{where}.end_seconds", f"{end:g}", "after its start")
        before = float("inf") if end is None else end
