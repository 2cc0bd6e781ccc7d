"""Job drafts: chunks of input, with queue, numbers and events, ready to become rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from broker.allotting import allot
from broker.values import Ranking
from tasks.splitting import Chunk, events_of


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What a retry keeps of the job before it."""

    attempt_nr: int
    sequence_nr: int
    first_event: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """The next numbers of a task."""

    serial_nr: int
    sequence_nr: int
    event_nr: int


@dataclass(frozen=True, slots=True)
class Targets:
    """The queues that jobs may go to, their ids by name, and how many jobs each may get now
    (None: no end of them).
    """

    ranking: Ranking
    ids: Mapping[str, int]
    places: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A job before it has an id."""

    chunk: Chunk
    queue_id: int
    attempt_nr: int
    serial_nr: int
    sequence_nr: int
    first_event: int
    max_events: int
    skip_events: int


def draft(
    chunks: Sequence[Chunk],
    targets: Targets,
    numbers: Numbers,
    predecessors: Mapping[int, Predecessor],
    by_events: bool,
) -> tuple[list[Draft], Numbers]:
    """Drafts in the order of the chunks, and the numbers that come next.

    Chunks for which there is no place become none.

    Each job has a serial number of its own, so no two attempts ever write the same file; a
    retry keeps its predecessor's sequence and event numbers, so that `%RNDM` and `%FIRSTEVENT`
    give what they gave before; what is split off from it takes a new sequence number, and goes
    on with its events. `by_events`: a job is told which events of its files are its own.
    """
    queues = _queues(chunks, targets)
    drafts: list[Draft] = []
    serial, sequence, event = numbers.serial_nr, numbers.sequence_nr, numbers.event_nr
    split_at: dict[int, int] = {}
    for chunk, queue_id in zip(chunks, queues, strict=True):
        if queue_id is None:
            continue
        before = predecessors.get(chunk.retry_of) if chunk.retry_of is not None else None
        events = sum(events_of(file) for file in chunk.files)
        keeps = before is not None and not chunk.is_split_off
        drafts.append(Draft(
            chunk=chunk,
            queue_id=queue_id,
            attempt_nr=before.attempt_nr + 1 if before else 1,
            serial_nr=serial,
            sequence_nr=before.sequence_nr if before and keeps else sequence,
            first_event=_first_event(before, chunk, split_at, event),
            max_events=events if by_events else -1,
            skip_events=chunk.files[0].start_event,
        ))  # fmt: skip
        serial += 1
        sequence += not keeps
        event += events if before is None else 0
    return drafts, Numbers(serial, sequence, event)


def _first_event(
    before: Predecessor | None, chunk: Chunk, split_at: dict[int, int], event: int
) -> int:
    """The number of a job's first event; `split_at` keeps where a split predecessor's next is."""
    if before is None or chunk.retry_of is None:
        return event
    first = split_at.get(chunk.retry_of, before.first_event)
    split_at[chunk.retry_of] = first + sum(events_of(file) for file in chunk.files)
    return first


def _queues(chunks: Sequence[Chunk], targets: Targets) -> Iterator[int | None]:
    """The queue of each chunk: the one that it was sized for, else as the ranking allots; None
    where there is no place.

    What is split off from a job goes where its first part goes: they are written together.
    """
    sized = _sized(chunks, targets.places)
    n_free = sum(chunk.queue is None and not chunk.is_split_off for chunk in chunks)
    left = targets.places and {q: n - sized[q] for q, n in targets.places.items()}
    allotted = allot(n_free, targets.ranking, places=left)
    free = chain.from_iterable(repeat(targets.ids[queue], count) for queue, count in allotted)
    last: int | None = None
    for chunk in chunks:
        if chunk.queue is not None:
            sized[chunk.queue] -= 1
            last = targets.ids[chunk.queue] if sized[chunk.queue] >= 0 else None
        elif not chunk.is_split_off:
            last = next(free, None)
        yield last


def _sized(chunks: Sequence[Chunk], places: Mapping[str, int] | None) -> Counter[str]:
    """Of the chunks that were sized for a queue, how many find a place there."""
    wanted = Counter(chunk.queue for chunk in chunks if chunk.queue is not None)
    if places is None:
        return wanted
    return Counter({queue: min(count, places.get(queue, 0)) for queue, count in wanted.items()})


def secondary_slice(files: Sequence[int], per_job: int, sequence_nr: int) -> tuple[int, ...]:
    """The files of a secondary stream for one job: the next ones in turn, from the start again
    when they are used up (PanDA: `reuseSecOnDemand`); never one twice in a job.
    """
    count = min(per_job, len(files))
    start = sequence_nr * count
    return tuple(files[(start + step) % len(files)] for step in range(count))
