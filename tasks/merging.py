"""Which outputs are merged together, and by what (documentation, 4.1.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from culm.wire.placeholders import JobValues, fill
from culm.wire.task_spec import TaskSpec
from tasks.output_names import final_name

_TEXT = (".txt", ".log", ".csv", ".tsv", ".jsonl", ".out", ".err")
_JOINED = (*_TEXT, *(f"{suffix}.gz" for suffix in _TEXT))
"""Files that are one file when they stand one behind the other; gzip's are."""
_TARBALLS = (".tgz", ".tar.gz")


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A run job whose output waits: its size, its events, and the merge that had it before."""

    job_id: int
    size_bytes: int = 0
    n_events: int = 1
    merged_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeLimits:
    """The most that one merge job takes."""

    max_files: float = inf
    max_bytes: float = inf
    max_events: float = inf

    def hold(self, jobs: Sequence[Unmerged]) -> bool:
        """Whether the outputs of these jobs are not too many."""
        return (
            len(jobs) <= self.max_files
            and sum(job.size_bytes for job in jobs) <= self.max_bytes
            and sum(job.n_events for job in jobs) <= self.max_events
        )


@dataclass(frozen=True, slots=True)
class MergeGroup:
    """Jobs whose outputs are merged by one job; `retry_of` is the merge that had them before."""

    jobs: tuple[Unmerged, ...]
    retry_of: int | None = None

    @property
    def size_bytes(self) -> int:
        """The size of all outputs together."""
        return sum(job.size_bytes for job in self.jobs)


def group(
    waiting: Iterable[Unmerged], limits: MergeLimits, *, more_may_come: bool
) -> list[MergeGroup]:
    """Groups for merge jobs, in order; each job is in one at most.

    Jobs that one merge had before stay together, whatever the limits. The others fill group
    after group; a job that is over a limit by itself is a group of its own. With `more_may_come`
    the last group waits for more if it could take more.
    """
    again: dict[int, list[Unmerged]] = {}
    fresh: list[Unmerged] = []
    for job in waiting:
        if job.merged_by is None:
            fresh.append(job)
        else:
            again.setdefault(job.merged_by, []).append(job)
    before = [MergeGroup(tuple(jobs), merge_id) for merge_id, jobs in again.items()]
    return [*before, *_filled(fresh, limits, more_may_come)]


def _filled(
    jobs: Iterable[Unmerged], limits: MergeLimits, more_may_come: bool
) -> Iterator[MergeGroup]:
    current: list[Unmerged] = []
    n_bytes = n_events = 0
    for job in jobs:
        over = (
            n_bytes + job.size_bytes > limits.max_bytes
            or n_events + job.n_events > limits.max_events
        )
        if current and over:
            yield MergeGroup(tuple(current))
            current, n_bytes, n_events = [], 0, 0
        current.append(job)
        n_bytes, n_events = n_bytes + job.size_bytes, n_events + job.n_events
        full = n_bytes >= limits.max_bytes or n_events >= limits.max_events
        if full or len(current) >= limits.max_files:
            yield MergeGroup(tuple(current))
            current, n_bytes, n_events = [], 0, 0
    if current and not more_may_come:
        yield MergeGroup(tuple(current))


def merged_name(local_name: str, spec: TaskSpec) -> str:
    """What the merge of an output is called where it is made: what is packed ends in `.tgz`."""
    name = final_name(local_name)
    packed = spec.merge_script is None and not name.endswith((".root", *_JOINED, *_TARBALLS))
    return f"{name}.tgz" if packed else name


def merge_command(spec: TaskSpec, inputs: Mapping[str, Sequence[str]]) -> str:
    """The command of a merge job, given the files to be merged by the output's local name.

    `--mergeScript` runs once for each output, `%IN` being its files with commas between and `%OUT`
    the merged one. By default ROOT files go through hadd, text is joined, and the rest packed.
    """
    commands = [_command(spec, name, inputs.get(name, ())) for name in spec.outputs]
    if len(commands) == 1:
        return commands[0]
    return " && ".join(f"(\n{command}\n)" for command in commands)


def _command(spec: TaskSpec, local_name: str, files: Sequence[str]) -> str:
    merged = merged_name(local_name, spec)
    if spec.merge_script is None:
        return _by_name(merged, files)
    return fill(spec.merge_script, JobValues(
        files={"IN": tuple(files)}, outputs=(merged,), sequence_nr=0, max_events=-1,
        skip_events=0, first_event=0,
    ))  # fmt: skip


def _by_name(merged: str, files: Sequence[str]) -> str:
    names = " ".join(files)
    if merged.endswith(".root"):
        return f"hadd -f {merged} {names}"
    if merged.endswith(_JOINED):
        return f"cat {names} > {merged}"
    return f"tar -czf {merged} {names}"
