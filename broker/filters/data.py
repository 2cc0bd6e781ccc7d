"""Input and storage: what would have to be moved, read, and where it would be written."""

from __future__ import annotations

from broker.estimates import has_all_input, missing_mb, n_missing_files
from broker.rules import Refusal, rule, shown, too_little
from broker.values import Demand, Queue
from broker.view import View


@rule(
    7,
    concerns=lambda demand, limits: (
        demand.n_input_files > 0 and demand.io_intensity_kb_per_second > limits.io_intensity_cutoff
    ),
)
def missing_input(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """A task that reads much runs where most of its input is."""
    limits = view.thresholds
    gb, files = missing_mb(demand, queue) / 1000, n_missing_files(demand, queue)
    if gb > 0 and gb >= limits.size_cutoff_to_move_input:
        return _much("GB", gb, limits.size_cutoff_to_move_input)
    if files > 0 and files >= limits.num_cutoff_to_move_input:
        return _much("files", files, limits.num_cutoff_to_move_input)
    return None


def _much(unit: str, missing: float, cutoff: float) -> Refusal:
    words = (
        f"{shown(missing)} {unit} of input are not there, for an IO-intensive task less than "
        f"{shown(cutoff)} are moved"
    )
    return Refusal(words, cutoff, missing, f"{unit} of missing input")


@rule(
    7,
    concerns=lambda demand, limits: (
        (demand.n_input_files > 0 or demand.total_input_mb > 0)
        and (
            not demand.may_move_input
            or demand.io_intensity_kb_per_second > limits.io_intensity_cutoff_user
        )
    ),
)
def local_input(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Input that is not moved must be there."""
    if has_all_input(demand, queue):
        return None
    files = n_missing_files(demand, queue)
    return Refusal(f"{files} input files are not there and are not moved", 0, files, "files")


@rule(
    8,
    passes=True,
    concerns=lambda demand, _: demand.disk_io_kb_per_second > 0,
    applies=lambda queue: queue.load.disk_io_kb_per_second > 0,
)
def disk_io(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """A queue whose disks are busy takes no task that would make them busier."""
    limit = queue.max_disk_io_kb_per_second
    limit = view.thresholds.max_diskio_default if limit is None else limit
    if queue.load.disk_io_kb_per_second <= limit or demand.disk_io_kb_per_second <= limit:
        return None
    words = (
        f"its jobs read and write {shown(queue.load.disk_io_kb_per_second)} kB/s a core, and this "
        f"task's {shown(demand.disk_io_kb_per_second)}, the limit is {shown(limit)}"
    )
    return Refusal(words, limit, demand.disk_io_kb_per_second, "kB/s of disk IO a core")


@rule(
    12,
    concerns=lambda demand, _: demand.must_read_directly,
    applies=lambda queue: not queue.reads_directly,
)
def direct_access(_: Demand, __: Queue, ___: View) -> Refusal | None:
    """The task allows nothing but reading its input where it is."""
    return Refusal("its jobs cannot read input where it is")


@rule(14, passes=True, applies=lambda queue: queue.free_storage_gb is not None)
def free_storage(_: Demand, queue: Queue, view: View) -> Refusal | None:
    """The storage that the queue writes to has space left."""
    least = view.thresholds.min_free_storage_gb
    if queue.free_storage_gb is None or queue.free_storage_gb > least:
        return None
    return too_little(least, queue.free_storage_gb, "GB of free storage")


@rule(14, passes=True, applies=lambda queue: bool(queue.blocked_storage))
def blocked_storage(_: Demand, queue: Queue, __: View) -> Refusal | None:
    """No storage endpoint of the queue is blacklisted."""
    return Refusal(f"its storage {queue.blocked_storage} is blacklisted")
