"""Job drafts: chunks of input, with queue, numbers and events, ready to become rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from broker.ranking import allot
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
    ranking: Ranking,
    queue_ids: Mapping[str, int],
    numbers: Numbers,
    predecessors: Mapping[int, Predecessor],
    by_events: bool,
) -> tuple[list[Draft], Numbers]:
    """Drafts in the order of the chunks, and the numbers that come next.

    Each job has a serial number of its own, so no two attempts ever write the same file; a
    retry keeps its predecessor's sequence and event numbers, so that `%RNDM` and `%FIRSTEVENT`
    give what they gave before. `by_events`: a job is told which events of its files are its own.
    """
    queues = _queues(len(chunks), ranking, queue_ids)
    drafts: list[Draft] = []
    serial, sequence, event = numbers.serial_nr, numbers.sequence_nr, numbers.event_nr
    for chunk, queue_id in zip(chunks, queues, strict=True):
        before = predecessors.get(chunk.retry_of) if chunk.retry_of is not None else None
        events = sum(events_of(file) for file in chunk.files)
        drafts.append(Draft(
            chunk=chunk,
            queue_id=queue_id,
            attempt_nr=before.attempt_nr + 1 if before else 1,
            serial_nr=serial,
            sequence_nr=before.sequence_nr if before else sequence,
            first_event=before.first_event if before else event,
            max_events=events if by_events else -1,
            skip_events=chunk.files[0].start_event,
        ))  # fmt: skip
        serial += 1
        if before is None:
            sequence, event = sequence + 1, event + events
    return drafts, Numbers(serial, sequence, event)


def _queues(n_jobs: int, ranking: Ranking, ids: Mapping[str, int]) -> Iterator[int]:
    allotted = allot(n_jobs, ranking)
    return chain.from_iterable(repeat(ids[queue], count) for queue, count in allotted)


def secondary_slice(files: Sequence[int], per_job: int, sequence_nr: int) -> tuple[int, ...]:
    """The files of a secondary stream for one job: the next ones in turn, from the start again
    when they are used up (PanDA: `reuseSecOnDemand`); never one twice in a job.
    """
    count = min(per_job, len(files))
    start = sequence_nr * count
    return tuple(files[(start + step) % len(files)] for step in range(count))
