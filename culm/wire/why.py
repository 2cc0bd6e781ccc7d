"""Why a task or job stands where it stands: in words, with numbers for programs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWhy:
    """A rule of brokerage, how many queues it refused, and the nearest of its offers.

    `passes` tells a state that waiting may change from an offer that stays.
    """

    rule: str
    n_queues: int
    passes: bool
    queue: str
    reason: str
    offered: float | None = None
    needed: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWhy:
    """What one queue says: taken (with its weight), not yet, or never."""

    queue: str
    verdict: str
    rule: str = ""
    reason: str = ""
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NucleusWhy:
    """What task brokerage says of one nucleus: taken (with its weight), not yet, or never."""

    nucleus: str
    verdict: str
    rule: str = ""
    reason: str = ""
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What hinders a task or job, or how far it is.

    `verdict` is one of: ended, runs, waits, taken (brokerage takes it), not yet, never. `changes`
    are the smallest requests that would help, the smallest first. `nuclei` are there if the task's
    output is gathered at one that brokerage chooses: the chosen one first.
    """

    noun: str
    id: int
    task_id: int
    status: str
    verdict: str
    summary: str
    details: tuple[str, ...] = ()
    rules: tuple[RuleWhy, ...] = ()
    changes: tuple[str, ...] = ()
    queues: tuple[QueueWhy, ...] = ()
    nuclei: tuple[NucleusWhy, ...] = ()
    brokered_at: str | None = None
    cycle: int | None = None
