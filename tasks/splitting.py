"""Which files go into one job. Pure: files in, chunks out (spec/lifecycle.md, Job sizing).

One linear pass: a million files take seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.sizing import Bounds


@dataclass(frozen=True, slots=True)
class InputFile:
    """A ready file of the primary stream. `last_job_id` is the job that had it before.

    `n_tries` counts the jobs that had it and failed, for whatever reason; `n_lost` those that
    the system failed.
    """

    file_id: int
    size_bytes: int = 0
    n_events: int | None = None
    start_event: int = 0
    last_job_id: int | None = None
    n_tries: int = 0
    n_lost: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """The primary files of one job; `retry_of` is the job that had them before.

    `queue` is the one that it was sized for; None: any. `is_split_off`: the second part of what
    one job had, which needs numbers of its own.
    """

    files: tuple[InputFile, ...]
    retry_of: int | None = None
    queue: str | None = None
    is_split_off: bool = False


def retries(files: Sequence[InputFile]) -> list[Chunk]:
    """Chunks of the files that were in a job before: those of one job stay together."""
    groups: dict[int, list[InputFile]] = defaultdict(list)
    for file in files:
        if file.last_job_id is not None:
            groups[file.last_job_id].append(file)
    return [Chunk(tuple(group), retry_of=job_id) for job_id, group in groups.items()]


def fresh(files: Sequence[InputFile]) -> list[InputFile]:
    """The files that no job had yet, in order."""
    return [file for file in files if file.last_job_id is None]


def split(files: Sequence[InputFile], bounds: Bounds, more_may_come: bool) -> list[Chunk]:
    """Chunks of fresh files, as big as the bounds allow, in order.

    Every file is in at most one chunk; one that is over a bound by itself is a chunk of its own.
    With `more_may_come` a last chunk that could take more files is left for later.
    """
    return list(_cut(files, bounds, None, more_may_come))


def split_among(
    files: Sequence[InputFile],
    shares: Sequence[tuple[str, int]],
    bounds: Mapping[str, Bounds],
    more_may_come: bool,
) -> list[Chunk]:
    """Chunks of fresh files for queues, each as big as its own queue allows.

    `shares` says how many of the files each queue gets, in order; they add up to all files.
    With `more_may_come` each queue's last chunk is left for later if it could take more.
    """
    chunks: list[Chunk] = []
    start = 0
    for queue, count in shares:
        part = files[start : start + count]
        chunks += _cut(part, bounds[queue], queue, more_may_come)
        start += count
    return chunks


def _cut(
    files: Sequence[InputFile], bounds: Bounds, queue: str | None, more_may_come: bool
) -> Iterator[Chunk]:
    current: list[InputFile] = []
    size = events = 0
    for file in files:
        count = events_of(file)
        if current and not bounds.hold(len(current) + 1, size + file.size_bytes, events + count):
            yield Chunk(tuple(current), queue=queue)
            current, size, events = [], 0, 0
        current.append(file)
        size, events = size + file.size_bytes, events + count
        if bounds.are_reached(len(current), events):
            yield Chunk(tuple(current), queue=queue)
            current, size, events = [], 0, 0
    if current and not more_may_come:
        yield Chunk(tuple(current), queue=queue)


def halves(chunk: Chunk) -> list[Chunk]:
    """The chunk as two of half its files; as it is, if it holds one file."""
    middle = (len(chunk.files) + 1) // 2
    if len(chunk.files) < 2:
        return [chunk]
    first, second = chunk.files[:middle], chunk.files[middle:]
    return [
        Chunk(first, chunk.retry_of, chunk.queue),
        Chunk(second, chunk.retry_of, chunk.queue, is_split_off=True),
    ]


def events_of(file: InputFile) -> int:
    """The events of a file; one without a count counts as one (spec/lifecycle.md)."""
    return 1 if file.n_events is None else file.n_events


def event_ranges(n_events: int, per_job: int, already: int = 0) -> list[tuple[int, int]]:
    """A file's events as (first, count) ranges of at most `per_job`; the last may be shorter.

    `already` events of the files before it are in the job that it begins with, where jobs may
    reach over the ends of files: then the first range fills that job.
    """
    first = min(per_job - already % per_job, n_events) if already % per_job else 0
    head = [(0, first)] if first else []
    rest = range(first, n_events, per_job)
    return head + [(start, min(per_job, n_events - start)) for start in rest]
