"""Which files go into one job. Pure: files in, chunks out (spec/lifecycle.md, Job sizing)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class InputFile:
    """A ready file of the primary stream. `last_job_id` is the job that had it before."""

    file_id: int
    size_bytes: int = 0
    n_events: int | None = None
    start_event: int = 0
    last_job_id: int | None = None


@dataclass(frozen=True, slots=True)
class SplitRule:
    """What one job may take; the first limit that is reached ends the job."""

    n_files_per_job: int | None = None
    n_gb_per_job: float | None = None
    n_events_per_job: int | None = None

    @property
    def is_given(self) -> bool:
        """Whether the task says anything about it; else a job takes one file."""
        return any((self.n_files_per_job, self.n_gb_per_job, self.n_events_per_job))


@dataclass(frozen=True, slots=True)
class Chunk:
    """The primary files of one job; `retry_of` is the job that had them before."""

    files: tuple[InputFile, ...]
    retry_of: int | None = None


def split(files: Sequence[InputFile], rule: SplitRule, more_may_come: bool) -> list[Chunk]:
    """Chunks for jobs: files that were together in a job before stay together, then fresh ones.

    Every file is in at most one chunk, in order. With `more_may_come` a last chunk that could
    take more files is left for later.
    """
    fresh = [f for f in files if f.last_job_id is None]
    chunks = list(_retries(files))
    full, rest = _fresh(fresh, rule)
    chunks += full
    if rest and not more_may_come:
        chunks.append(Chunk(tuple(rest)))
    return chunks


def _retries(files: Sequence[InputFile]) -> Iterator[Chunk]:
    groups: dict[int, list[InputFile]] = defaultdict(list)
    for file in files:
        if file.last_job_id is not None:
            groups[file.last_job_id].append(file)
    for job_id, group in groups.items():
        yield Chunk(tuple(group), retry_of=job_id)


def _fresh(files: Sequence[InputFile], rule: SplitRule) -> tuple[list[Chunk], list[InputFile]]:
    limit = rule if rule.is_given else SplitRule(n_files_per_job=1)
    chunks: list[Chunk] = []
    current: list[InputFile] = []
    size = events = 0
    for file in files:
        if current and _over(limit, size + file.size_bytes, events + events_of(file)):
            chunks.append(Chunk(tuple(current)))
            current, size, events = [], 0, 0
        current.append(file)
        size, events = size + file.size_bytes, events + events_of(file)
        if _full(limit, len(current), events):
            chunks.append(Chunk(tuple(current)))
            current, size, events = [], 0, 0
    return chunks, current


def _over(rule: SplitRule, size_bytes: int, events: int) -> bool:
    too_big = rule.n_gb_per_job is not None and size_bytes > rule.n_gb_per_job * GB
    too_many = rule.n_events_per_job is not None and events > rule.n_events_per_job
    return too_big or too_many


def _full(rule: SplitRule, n_files: int, events: int) -> bool:
    enough_files = rule.n_files_per_job is not None and n_files >= rule.n_files_per_job
    enough_events = rule.n_events_per_job is not None and events >= rule.n_events_per_job
    return enough_files or enough_events


def events_of(file: InputFile) -> int:
    """The events of a file; one without a count counts as one (spec/lifecycle.md)."""
    return 1 if file.n_events is None else file.n_events


def event_ranges(n_events: int, per_job: int) -> list[tuple[int, int]]:
    """A file's events as (first, count) ranges of at most `per_job`; the last may be shorter."""
    return [(start, min(per_job, n_events - start)) for start in range(0, n_events, per_job)]
