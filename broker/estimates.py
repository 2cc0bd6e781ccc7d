"""How much one job needs at one queue."""

from __future__ import annotations

from broker.thresholds import Thresholds
from broker.values import Demand, InputAt, Queue

_NOTHING = InputAt()


def expected_memory_mb(demand: Demand) -> float:
    """The sum baseRamCount + ramCount × coreCount (PanDA documentation 12.1)."""
    return demand.memory_mb + demand.memory_mb_per_core * demand.core_count


def expected_disk_mb(demand: Demand, queue: Queue, limits: Thresholds) -> float:
    """The sum inputDiskCount + max(0.5 GB, outDiskCount × nEvents) + workDiskCount (12.1).

    Input that the queue reads where it is takes no scratch disk.
    """
    in_place = queue.reads_directly and demand.may_read_directly
    output = max(limits.min_output_disk_mb, demand.output_mb_per_event * demand.n_events)
    return (0.0 if in_place else demand.input_mb) + output + demand.work_disk_mb


def expected_walltime_seconds(demand: Demand, queue: Queue) -> float:
    """The wall time cpuTime × nEvents / (C × P × cpuEfficiency) + baseTime (12.1); if the task
    gives no cpuTime, what it asks for. Efficiency 0: no part grows with events (15.1).
    """
    if demand.cpu_seconds_per_event <= 0:
        return demand.walltime_seconds
    power = max(demand.core_count, 1) * queue.core_power * demand.cpu_efficiency
    if power <= 0:
        return demand.base_seconds
    return demand.cpu_seconds_per_event * demand.n_events / power + demand.base_seconds


def input_at(demand: Demand, queue: Queue) -> InputAt:
    """What the queue's site holds of the task's input."""
    return demand.input_at.get(queue.site, _NOTHING)


def missing_mb(demand: Demand, queue: Queue) -> float:
    """Input that would have to be moved to the queue's site."""
    return max(0.0, demand.total_input_mb - input_at(demand, queue).size_mb)


def n_missing_files(demand: Demand, queue: Queue) -> int:
    """Input files that would have to be moved to the queue's site."""
    return max(0, demand.n_input_files - input_at(demand, queue).n_files)


def has_all_input(demand: Demand, queue: Queue) -> bool:
    """Whether nothing has to be moved."""
    if not demand.n_input_files and not demand.total_input_mb:
        return True
    return n_missing_files(demand, queue) == 0 and missing_mb(demand, queue) <= 0
