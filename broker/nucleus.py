"""Task brokerage: the site where a task's output is gathered (its nucleus).

Filters and formula are those of PanDA's production task brokerage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from broker.rules import shown
from broker.thresholds import Thresholds
from broker.values import InputAt, Ranked, Ranking, Rejection

RW_OFFSET = 50.0
"""Workload below this counts as this much: an idle nucleus does not draw every task."""
TAPE_WEIGHT = 0.001
OUTPUT_TB_A_CORE_DAY = 0.25e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Nucleus:
    """A site that can gather output; space in TB."""

    name: str
    is_active: bool = True
    is_down: bool = False
    """In a downtime now, or before the task can end."""
    has_storage: bool = True
    sends_and_receives: bool = True
    """Its storage is open to other sites for reading and for writing."""
    knows_space: bool = True
    """Somebody has said how large its storage is, and how much of it is free."""
    total_tb: float = 0.0
    free_tb: float = 0.0
    expired_tb: float = 0.0
    """Held by copies that may be deleted."""
    workload_core_days: float = 0.0
    """RW: the work left of the tasks that are assigned there, in days of a core of 10 HS06."""
    n_files_coming: int = 0
    """Files on their way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """What is known of a task whose output must be gathered somewhere."""

    share: str = ""
    priority: int = 0
    io_intensity_kb_per_second: float = 0.0
    input_gb: float = 0.0
    n_input_files: int = 0
    input_at: Mapping[str, InputAt] = field(default_factory=dict)
    """By nucleus."""
    is_prestaged: bool = False
    """Its input is staged from tape as it goes: parts of it are enough."""
    nucleus_only: bool = False
    """t1Weight below zero: backlogs do not matter, nothing is sent from elsewhere."""
    site: str | None = None
    excluded_sites: frozenset[str] = frozenset()


def rank_nuclei(task: Gathering, nuclei: Iterable[Nucleus], limits: Thresholds) -> Ranking:
    """The nuclei that can gather the task's output, best first, and why the others cannot.

    Where no nucleus holds enough of the input, and the task is light or urgent, input is not
    asked for.
    """
    ordered = sorted(nuclei, key=lambda n: n.name)
    rejections = {n.name: _refusal(task, n, limits) for n in ordered}
    usable = [n for n in ordered if rejections[n.name] is None]
    holding = {n.name: _input_refusal(task, n, limits) for n in usable}
    if usable and (any(no is None for no in holding.values()) or not _is_light(task, limits)):
        rejections |= holding
        usable = [n for n in usable if holding[n.name] is None]
    ranked = [Ranked(n.name, nucleus_weight(task, n, limits)) for n in usable]
    rejections |= {r.queue: _weightless(r.queue) for r in ranked if r.weight <= 0}
    return Ranking(
        tuple(sorted((r for r in ranked if r.weight > 0), key=lambda r: (-r.weight, r.queue))),
        tuple(no for no in rejections.values() if no is not None),
    )


def nucleus_weight(task: Gathering, nucleus: Nucleus, limits: Thresholds) -> float:
    """Tape × (free + expired) × min(cutoff, free) / (max(50, RW) × total), times the part of
    the input that is there if the task is IO-intensive. 0 without space.
    """
    if nucleus.total_tb <= 0:
        return 0.0
    free = max(0.0, nucleus.free_tb)
    space = (free + max(0.0, nucleus.expired_tb)) * min(limits.free_disk_cutoff_tb, free)
    weight = space / (max(RW_OFFSET, nucleus.workload_core_days) * nucleus.total_tb)
    there = task.input_at.get(nucleus.name, InputAt())
    if there.on_tape_mb > 0 and there.size_mb <= 0:
        weight *= TAPE_WEIGHT
    is_heavy = task.io_intensity_kb_per_second > limits.min_io_intensity_with_local_data
    if is_heavy and task.input_gb > 0:
        weight *= min(1.0, _there_gb(there) / task.input_gb)
    return weight


def expected_output_tb(nucleus: Nucleus) -> float:
    """What the work that is assigned to the nucleus will write: 0.25 GB for a core and day."""
    return OUTPUT_TB_A_CORE_DAY * max(0.0, nucleus.workload_core_days)


def _refusal(task: Gathering, nucleus: Nucleus, limits: Thresholds) -> Rejection | None:
    rules = (_wanted, _open, _backlog, _space)
    return next((no for rule in rules if (no := rule(task, nucleus, limits))), None)


def _wanted(task: Gathering, nucleus: Nucleus, _: Thresholds) -> Rejection | None:
    if task.site not in (None, nucleus.name):
        return Rejection(nucleus.name, "pinned", f"the task asks for {task.site}")
    if nucleus.name in task.excluded_sites:
        return Rejection(nucleus.name, "excluded", f"the task excludes {nucleus.name}")
    return None


def _open(_: Gathering, nucleus: Nucleus, __: Thresholds) -> Rejection | None:
    states = (
        (not nucleus.is_active, "active", "it is not active"),
        (nucleus.is_down, "downtime", "it is in a downtime"),
        (not nucleus.has_storage, "storage", "it has no storage"),
        (not nucleus.sends_and_receives, "wide_area", "its storage is closed to other sites"),
        (not nucleus.knows_space, "space", "total and free space of its storage are not known"),
    )
    for is_so, rule, words in states:
        if is_so:
            return Rejection(nucleus.name, rule, words, passes=rule not in ("storage", "space"))
    return None


def _backlog(task: Gathering, nucleus: Nucleus, limits: Thresholds) -> Rejection | None:
    cap, coming = limits.nqueued_nuc_cap, nucleus.n_files_coming
    if task.nucleus_only or coming <= cap:
        return None
    words = f"{coming} files are on their way there, the limit is {shown(cap)}"
    return Rejection(nucleus.name, "backlog", words, cap, coming, "files", passes=True)


def _space(task: Gathering, nucleus: Nucleus, limits: Thresholds) -> Rejection | None:
    least = limits.disk_threshold_tb_by_share.get(task.share, limits.disk_threshold_tb)
    left = nucleus.free_tb + nucleus.expired_tb - expected_output_tb(nucleus)
    if left > least:
        return None
    words = f"it will have {shown(left)} TB left, more than {shown(least)} are kept"
    return Rejection(nucleus.name, "free_space", words, left, least, "TB", passes=True)


def _input_refusal(task: Gathering, nucleus: Nucleus, limits: Thresholds) -> Rejection | None:
    if task.is_prestaged:
        return None
    there = task.input_at.get(nucleus.name, InputAt())
    checks = (
        ("GB", task.input_gb, limits.input_size_threshold, _there_gb(there),
         limits.input_size_fraction),
        ("files", task.n_input_files, limits.input_num_threshold, there.n_files,
         limits.input_num_fraction),
    )  # fmt: skip
    for unit, total, threshold, held, percent in checks:
        needed = total * percent / 100
        if total > threshold and held <= needed:
            words = f"it holds {shown(held)} of {shown(total)} {unit} of input"
            words += f", more than {shown(needed)} needed"
            return Rejection(nucleus.name, "local_input", words, held, needed, unit)
    return None


def _weightless(nucleus: str) -> Rejection:
    words = "it has no free space, or nothing of the input of an IO-intensive task"
    return Rejection(nucleus, "weight", words, 0.0, None, passes=True)


def _is_light(task: Gathering, limits: Thresholds) -> bool:
    little = (
        task.io_intensity_kb_per_second <= limits.min_io_intensity_with_local_data
        and task.input_gb <= limits.min_input_size_with_local_data
    )
    return little or task.priority >= limits.max_task_prio_with_local_data


def _there_gb(there: InputAt) -> float:
    return (there.size_mb + there.on_tape_mb) / 1000
