"""Changes of a demand that would let a queue take it: what to ask for instead.

A knob turns what one kind of refusal is about, for one queue; rules that no request can change
(a test queue, a fair-share policy) have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

from broker.estimates import expected_memory_mb
from broker.values import Demand, Queue, Rejection


@dataclass(frozen=True, slots=True)
class Turned:
    """A demand changed so that one refusal falls away: which knob was turned, in words, and how
    far, as a part of what was asked for (1: given up altogether).
    """

    knob: str
    demand: Demand
    words: str
    size: float = 1.0


Turn = Callable[[str, Demand, Queue, Rejection], Turned | None]


def turned(demand: Demand, queue: Queue, refusals: Sequence[Rejection]) -> tuple[Turned, ...]:
    """The changes that answer all refusals of a queue, the last one with all of them; empty if
    one of the refusals has no answer.

    Where a refusal names numbers, the change is the smallest that is enough.
    """
    changes: dict[str, Turned] = {}
    for refusal in refusals:
        knob, turn = KNOBS.get(refusal.rule, ("", _nothing))
        found = turn(knob, demand, queue, refusal)
        if found is None:
            return ()
        demand = found.demand
        changes.pop(knob, None)
        changes[knob] = found
    return tuple(changes.values())


def _nothing(_: str, __: Demand, ___: Queue, ____: Rejection) -> Turned | None:
    return None


def _memory(knob: str, demand: Demand, _: Queue, no: Rejection) -> Turned | None:
    if no.offered is None or not no.needed:
        return None
    # The rule may compare a part of what was asked for: as much less as it offers less.
    bound = expected_memory_mb(demand) * no.offered / no.needed
    less = no.offered < no.needed
    memory = floor(bound) if less else ceil(bound)
    if memory <= 0:
        return None
    other = replace(demand, memory_mb=memory, memory_mb_per_core=0)
    return Turned(knob, other, f"ask for at {_most(less)} {memory} MB of memory", _part(no))


def _cores(knob: str, demand: Demand, _: Queue, no: Rejection) -> Turned | None:
    if no.offered is None or no.needed is None or no.offered < 1:
        return None
    cores = int(no.offered)
    words = f"ask for at {_most(no.offered < no.needed)} {cores} core{'s' if cores > 1 else ''}"
    return Turned(knob, replace(demand, core_count=cores), words, _part(no))


def _disk(knob: str, demand: Demand, _: Queue, no: Rejection) -> Turned | None:
    if no.offered is None:
        return None
    disk = floor(no.offered)
    words = f"ask for at most {disk} MB of scratch disk"
    return Turned(knob, replace(demand, disk_mb=disk), words, _part(no))


def _scratch_disk(knob: str, demand: Demand, _: Queue, no: Rejection) -> Turned | None:
    if no.offered is None or no.needed is None:
        return None
    # Only the job's input and working directory can be made smaller, and the offer must be more.
    left = floor(demand.input_mb + demand.work_disk_mb - (no.needed - no.offered)) - 1
    if left < 0:
        return None
    smaller = replace(demand, input_mb=left, work_disk_mb=0)
    words = f"make jobs smaller: at most {left} MB of input and working directory"
    return Turned(knob, smaller, words, _part(no))


def _walltime(knob: str, demand: Demand, _: Queue, no: Rejection) -> Turned | None:
    if no.offered is None or no.needed is None:
        return None
    limit = floor(no.offered)
    if demand.cpu_seconds_per_event <= 0:
        shorter = replace(demand, walltime_seconds=limit)
        return Turned(knob, shorter, f"ask for at most {limit} s of wall time", _part(no))
    if no.needed <= demand.base_seconds:
        return None
    part = (no.offered - demand.base_seconds) / (no.needed - demand.base_seconds)
    n_events = ceil(demand.n_events * part) - 1
    if n_events < 1:
        return None
    words = f"make jobs smaller: at most {n_events} events"
    return Turned(knob, replace(demand, n_events=n_events), words, _part(no))


def _site(knob: str, demand: Demand, _: Queue, __: Rejection) -> Turned:
    return Turned(knob, replace(demand, site=None), f"do not ask for site {demand.site}")


def _excluded(knob: str, demand: Demand, queue: Queue, _: Rejection) -> Turned:
    hit = demand.excluded_sites & {queue.name, queue.site}
    fewer = replace(demand, excluded_sites=demand.excluded_sites - hit)
    return Turned(knob, fewer, f"do not exclude {', '.join(sorted(hit))}")


def _container(knob: str, demand: Demand, queue: Queue, _: Rejection) -> Turned:
    offered = queue.software.containers if queue.software else ()
    start = f", one that starts with {' or '.join(offered)}" if offered else ""
    plain = replace(demand, container="", container_source="")
    return Turned(knob, plain, f"use another container than {demand.container}{start}")


def _release(knob: str, demand: Demand, _: Queue, __: Rejection) -> Turned:
    words = "use another release, or a container that has it"
    return Turned(knob, replace(demand, release=None), words)


def _hardware(knob: str, demand: Demand, _: Queue, __: Rejection) -> Turned | None:
    asked = demand.architecture
    if asked.cpu is None and asked.gpu is None:
        return None  # The queue is for others only: to ask for its hardware is no way out.
    plain = replace(asked, cpu=None, gpu=None)
    return Turned(knob, replace(demand, architecture=plain), "ask for no special CPU or GPU")


def _connectivity(knob: str, demand: Demand, queue: Queue, _: Rejection) -> Turned:
    words = f"need no more network than {queue.connectivity}"
    return Turned(knob, replace(demand, connectivity=queue.connectivity), words)


def _direct(knob: str, demand: Demand, _: Queue, __: Rejection) -> Turned:
    words = "let input be copied to the job"
    return Turned(knob, replace(demand, must_read_directly=False), words)


def _input(knob: str, demand: Demand, _: Queue, __: Rejection) -> Turned | None:
    if demand.may_move_input:
        return None
    return Turned(knob, replace(demand, may_move_input=True), "let input be moved")


def _nucleus(knob: str, demand: Demand, _: Queue, __: Rejection) -> Turned:
    return Turned(knob, replace(demand, nucleus_only=False), "let it run outside of its nucleus")


def _most(less: bool) -> str:
    return "most" if less else "least"


def _part(no: Rejection) -> float:
    if no.offered is None or not no.needed:
        return 1.0
    return abs(no.needed - no.offered) / no.needed


KNOBS: Mapping[str, tuple[str, Turn]] = {
    "memory": ("memory", _memory),
    "compensated_memory": ("memory", _memory),
    "core_count": ("cores", _cores),
    "disk": ("disk", _disk),
    "scratch_disk": ("disk", _scratch_disk),
    "walltime": ("walltime", _walltime),
    "pinned": ("site", _site),
    "excluded": ("excluded", _excluded),
    "container": ("container", _container),
    "release": ("release", _release),
    "hardware": ("hardware", _hardware),
    "connectivity": ("connectivity", _connectivity),
    "direct_access": ("direct", _direct),
    "local_input": ("input", _input),
    "nucleus_only": ("nucleus", _nucleus),
}
"""By rule: the knob that answers it. Two rules of one knob are one change."""
