"""What one job needs of a slot: cores, memory, scratch disk, wall time."""

from __future__ import annotations

from broker.estimates import expected_disk_mb, expected_memory_mb, expected_walltime_seconds
from broker.rules import Refusal, at_most, rule, shown, too_little
from broker.values import Demand, Queue
from broker.view import View

CORES = "cores"
MEMORY = "MB of memory"
DISK = "MB of scratch disk"
WALLTIME = "s of wall time"


def _limits_memory(queue: Queue) -> bool:
    return queue.max_memory_mb is not None or queue.min_memory_mb > 0


def _limits_disk(queue: Queue) -> bool:
    return queue.max_disk_mb is not None


def _limits_walltime(queue: Queue) -> bool:
    return queue.max_walltime_seconds is not None


@rule(9, applies=lambda queue: queue.core_count is not None or queue.min_core_count > 1)
def core_count(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The queue runs jobs of so many cores."""
    if demand.core_count < queue.min_core_count:
        words = f"its jobs have {queue.min_core_count} cores or more, {demand.core_count} needed"
        return Refusal(words, queue.min_core_count, demand.core_count, CORES)
    return at_most(demand.core_count, queue.core_count, CORES)


@rule(11, applies=_limits_memory)
def memory(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """All of the memory asked for, and not less than the queue's jobs have."""
    return _memory(expected_memory_mb(demand), queue)


@rule(11, applies=_limits_memory)
def compensated_memory(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """0.9 of the estimate: jobs close to a limit stay away from queues with more memory."""
    return _memory(expected_memory_mb(demand) * view.thresholds.memory_compensation, queue)


def _memory(needed: float, queue: Queue) -> Refusal | None:
    if needed < queue.min_memory_mb:
        words = f"its jobs have {shown(queue.min_memory_mb)} {MEMORY} or more"
        return Refusal(f"{words}, {shown(needed)} needed", queue.min_memory_mb, needed, MEMORY)
    return at_most(needed, queue.max_memory_mb, MEMORY)


@rule(13, applies=_limits_disk)
def disk(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The scratch disk that was asked for as a whole."""
    return at_most(demand.disk_mb, queue.max_disk_mb, DISK)


@rule(13, applies=_limits_disk)
def scratch_disk(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """A core's part of the scratch disk is larger than what the job is expected to write."""
    if queue.max_disk_mb is None:
        return None
    offered = queue.max_disk_mb / max(queue.core_count or 1, 1)
    needed = expected_disk_mb(demand, queue, view.thresholds)
    return None if needed < offered else too_little(needed, offered, f"{DISK} a core")


@rule(
    15,
    applies=_limits_walltime,
    concerns=lambda demand, _: demand.is_scout or demand.is_merge,
)
def long_walltime(_: Demand, queue: Queue, view: View) -> Refusal | None:
    """Nothing is known yet of scouts, and merge jobs are slow: they get a day."""
    least = 3600 * view.thresholds.min_walltime_hours
    if queue.max_walltime_seconds is None or queue.max_walltime_seconds >= least:
        return None
    return too_little(least, queue.max_walltime_seconds, f"{WALLTIME} for scouts and merge jobs")


@rule(16, applies=_limits_walltime)
def walltime(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """An estimated wall time is below the queue's limit; one that was asked for may equal it."""
    limit = queue.max_walltime_seconds
    if limit is None:
        return None
    needed = expected_walltime_seconds(demand, queue)
    is_asked = demand.cpu_seconds_per_event <= 0
    enough = needed < limit or (is_asked and needed == limit)
    return None if enough else too_little(needed, limit, WALLTIME)
