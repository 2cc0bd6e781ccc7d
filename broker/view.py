"""What a broker knows beside the queues: thresholds, links, age, and what it just assigned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.ledger import Ledger
from broker.thresholds import Thresholds
from broker.values import Demand, Link, Queue

_NO_LINK = Link()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The world at one moment, `age_seconds` ago."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    links: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    """By site from which and site to which."""
    n_files_to_nucleus: Mapping[str, int] = field(default_factory=dict)
    """Files on their way to each nucleus, from everywhere."""
    age_seconds: float = 0.0
    """A view from the future counts as one of now."""
    ledger: Ledger = field(default_factory=Ledger)

    def assigned(self, queue: Queue) -> int:
        """Jobs sent to the queue that its statistics do not show yet."""
        return self.ledger.assigned(queue.name)

    def to_nucleus(self, demand: Demand, queue: Queue) -> Link:
        """The link that output takes from a queue's site to the nucleus."""
        if demand.nucleus is None:
            return _NO_LINK
        return self.links.get((queue.site, demand.nucleus), _NO_LINK)
