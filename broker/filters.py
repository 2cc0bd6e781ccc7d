"""Filters: small named rules. Each says in words why a queue does not take a demand, or nothing.

Numbers in comments are those of the list in spec/broker.md.
"""

from __future__ import annotations

from collections.abc import Callable

from broker.values import Demand, Queue

Filter = Callable[[Demand, Queue], str]
"""The reason for which the queue is refused; empty if it is not."""


def pinned(demand: Demand, queue: Queue) -> str:
    """The owner named a site or queue (1: pre-assigned)."""
    if demand.site is None or demand.site in (queue.name, queue.site):
        return ""
    return f"the task asks for {demand.site}"


def excluded(demand: Demand, queue: Queue) -> str:
    """The owner excluded the site or queue."""
    hit = demand.excluded_sites & {queue.name, queue.site}
    return f"the task excludes {', '.join(sorted(hit))}" if hit else ""


def test_queue(demand: Demand, queue: Queue) -> str:
    """A queue with `test` in its name is for those who ask for it (1)."""
    asked = demand.site in (queue.name, queue.site)
    return "it is a test queue" if "test" in queue.name.lower() and not asked else ""


def online(_: Demand, queue: Queue) -> str:
    """The queue takes jobs (2)."""
    return "" if queue.status == "online" else f"it is {queue.status}"


def core_count(demand: Demand, queue: Queue) -> str:
    """Enough cores (9)."""
    return _at_most(demand.core_count, queue.core_count, "cores")


def memory(demand: Demand, queue: Queue) -> str:
    """Enough memory (11)."""
    return _at_most(demand.memory_mb, queue.max_memory_mb, "MB of memory")


def disk(demand: Demand, queue: Queue) -> str:
    """Enough scratch disk (13)."""
    return _at_most(demand.disk_mb, queue.max_disk_mb, "MB of scratch disk")


def walltime(demand: Demand, queue: Queue) -> str:
    """Enough wall time (16)."""
    return _at_most(demand.walltime_seconds, queue.max_walltime_seconds, "s of wall time")


def _at_most(needed: int, offered: int | None, unit: str) -> str:
    if offered is None or needed <= offered:
        return ""
    return f"it offers {offered} {unit}, {needed} needed"


GENERIC: tuple[tuple[str, Filter], ...] = (
    ("pinned", pinned),
    ("excluded", excluded),
    ("test_queue", test_queue),
    ("online", online),
    ("core_count", core_count),
    ("memory", memory),
    ("disk", disk),
    ("walltime", walltime),
)
