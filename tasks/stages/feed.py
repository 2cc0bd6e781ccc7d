"""Feed contents: list the input from the catalogue into the books, in bulk.

A growing input (its producing task is alive) is looked at again whenever the producer has new
files, and once more when it has ended. Files that are there already are not added again, so
the stage can run at any moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update

from culm.wire.task_spec import MAX_JOBS, InputStream, TaskSpec
from tasks.catalog.own import Entry, find_dataset, list_files, matches
from tasks.lifecycles import TASK as MACHINE
from tasks.lifecycles import DatasetEvent, TaskEvent
from tasks.searches.naming import training_streams
from tasks.specs import spec_of
from tasks.splitting import event_ranges
from tasks.stages.ending import roll_up
from tasks.stages.select import datasets_of, in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import DatasetKind, FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in, insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import Why, move_datasets, move_tasks
from tasks.store.tables import DATASET, FILE, TASK
from tasks.store.topics import Topic
from tasks.tables import Dataset, File, Task
from tasks.tables.columns import db_now

LOOK_AGAIN_SECONDS = 60.0
"""The sweep behind the wake-ups for a growing input."""

NewFile = tuple[str, int | None, str | None, int | None, int, int | None]
"""lfn, size_bytes, adler32, n_events, start_event, catalog_file_id"""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the input found."""

    total_primary: int
    n_new: int
    empty: tuple[str, ...]
    fault: str = ""


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    spec = spec_of(act.session, act.task_id)
    is_open = _producer_is_alive(act, task)
    look = _look(act, task, spec)
    reason = look.fault
    if look.empty and not is_open:
        reason = reason or f"no input: nothing to process in {', '.join(look.empty)}"
    if reason:
        move_tasks(act.session, [task.id], TaskEvent.FOUND_HOPELESS, Why(act.actor, reason))
        return Outcome(task.id, reason)
    waits = bool(look.empty) or (is_open and _needs_all(spec))
    _remember(act, is_open, fresh=look.n_new > 0 or (task.input_open and not is_open))
    if not waits:
        if spec.n_jobs is not None and spec.inputs:
            _even_split(act, ceil(look.total_primary / spec.n_jobs))
        move_tasks(act.session, [task.id], TaskEvent.FED, Why(act.actor))
        wake(act.session, Topic.TASK_READY)
        if not is_open:
            # A task that was faster than its producer has no job left that would end it.
            roll_up(act.session, task.id, Why(act.actor))
        return Outcome(task.id, f"{look.n_new} new files", n_done=look.n_new)
    reason = f"waits for the files of task {task.parent_task_id}"
    if task.status == TaskStatus.DEFINED:
        move_tasks(act.session, [task.id], TaskEvent.INPUT_AWAITED, Why(act.actor, reason))
    return Outcome(task.id, reason, n_done=look.n_new)


def _needs_all(spec: TaskSpec) -> bool:
    """Whether no job can be cut before all input is there."""
    if spec.search is not None:
        return bool(spec.search.training_datasets)
    return spec.n_jobs is not None and bool(spec.inputs)


def _streams(spec: TaskSpec) -> dict[str, InputStream]:
    """What is fed, by stream. The points of a search are not: it makes them as it goes on."""
    if spec.search is not None:
        return {stream.stream: stream for stream in training_streams(spec.search)}
    return {stream.stream: stream for stream in spec.inputs} or {"IN": InputStream()}


def _producer_is_alive(act: Act, task: Task) -> bool:
    if task.parent_task_id is None:
        return False
    status = act.session.connection().execute(
        select(TASK.c.status).where(TASK.c.id == task.parent_task_id)
    ).scalar()  # fmt: skip
    return status is not None and status not in MACHINE.final


def _remember(act: Act, is_open: bool, fresh: bool) -> None:
    values: dict[str, Any] = {
        # The points of a search are still to come.
        "input_open": or_(TASK.c.is_search, literal(is_open)),
        "feed_at": db_now(LOOK_AGAIN_SECONDS) if is_open else None,
    }
    if fresh:
        values["next_look_at"] = None
    act.session.connection().execute(update(TASK).where(TASK.c.id == act.task_id).values(**values))


def _even_split(act: Act, files_per_job: int) -> None:
    act.session.connection().execute(
        update(DATASET)
        .where(DATASET.c.task_id == act.task_id, DATASET.c.is_primary)
        .values(n_files_per_job=files_per_job)
    )


def _look(act: Act, task: Task, spec: TaskSpec) -> _Look:
    datasets = datasets_of(act.session, task.id, DatasetKind.INPUT, DatasetKind.SEQ_NUMBER)
    streams = _streams(spec)
    counts = dict.fromkeys(streams, 0)
    skipped = dict.fromkeys(streams, 0)
    taken = _files_taken(act, datasets)
    n_new = 0
    for dataset in (d for d in datasets if d.stream in streams):
        stream = streams[dataset.stream]
        counts[dataset.stream] += dataset.n_files
        if dataset.kind == DatasetKind.SEQ_NUMBER:
            new = [] if dataset.n_files else list(_sequence(spec))
        else:
            wanted = _wanted(act, dataset, stream, skipped)
            if stream.n_files is not None:
                wanted = wanted[: max(0, stream.n_files - taken[dataset.stream])]
            taken[dataset.stream] += len(wanted)
            if sum(_n_ranges(entry, spec, dataset) for entry in wanted) > MAX_JOBS:
                fault = f"the events of {dataset.name} would make more than {MAX_JOBS} jobs"
                return _Look(0, n_new, (), fault)
            already = _events_before(act, datasets, spec) if wanted else 0
            new = list(_rows(wanted, spec, dataset, already))
        counts[dataset.stream] += len(new)
        n_new += _insert(act, dataset, task.max_attempts, new)
    empty = tuple(name for name, count in counts.items() if not count)
    return _Look(next(iter(counts.values()), 0), n_new, empty)


def _files_taken(act: Act, datasets: Sequence[Dataset]) -> Counter[str]:
    """How many files each stream has already; a file split by events is one."""
    streams = {dataset.id: dataset.stream for dataset in datasets}
    rows = act.session.connection().execute(
        select(FILE.c.dataset_id, func.count())
        .where(id_in(FILE.c.dataset_id, streams, act.session), FILE.c.start_event == 0)
        .group_by(FILE.c.dataset_id)
    )  # fmt: skip
    taken: Counter[str] = Counter()
    for dataset_id, count in rows:
        taken[streams[dataset_id]] += count
    return taken


def _sequence(spec: TaskSpec) -> Iterator[NewFile]:
    """The pseudo files of a task without input: one a job, with its events if it counts any."""
    per_job = spec.n_events_per_job
    if spec.n_events is not None and per_job is not None:
        ranges: list[tuple[int, int | None]] = list(event_ranges(spec.n_events, per_job))
    else:
        ranges = [(0, per_job or None)] * (spec.n_jobs or 1)
    for number, (_, n_events) in enumerate(ranges):
        yield f"{number:07d}", None, None, n_events, 0, None


def _wanted(
    act: Act, dataset: Dataset, stream: InputStream, skipped: dict[str, int]
) -> list[Entry]:
    found = find_dataset(act.session, dataset.name)
    if found is None:
        return []
    here = FILE.c.dataset_id == dataset.id
    known = set(act.session.connection().execute(select(FILE.c.lfn).where(here)).scalars())
    wanted = []
    for entry in list_files(act.session, found.id):
        if not matches(entry.lfn, stream.match, stream.anti_match):
            continue
        if skipped[stream.stream] < stream.n_skip:
            skipped[stream.stream] += 1
        elif entry.lfn not in known:
            wanted.append(entry)
    return wanted


def _n_ranges(entry: Entry, spec: TaskSpec, dataset: Dataset) -> int:
    """Into how many rows a file is split by its events."""
    events = spec.n_events_per_file or entry.n_events
    if not dataset.is_primary or spec.n_events_per_job is None or not events:
        return 1
    return ceil(events / spec.n_events_per_job)


def _events_before(act: Act, datasets: Sequence[Dataset], spec: TaskSpec) -> int:
    """The events of the primary stream that are cut already, where jobs reach over files."""
    if not spec.events_across_files:
        return 0
    primary = [dataset.id for dataset in datasets if dataset.is_primary]
    count = act.session.connection().execute(
        select(func.coalesce(func.sum(func.coalesce(FILE.c.n_events, 1)), 0))
        .where(id_in(FILE.c.dataset_id, primary, act.session))
    ).scalar_one()  # fmt: skip
    return int(count)


def _rows(
    entries: Sequence[Entry], spec: TaskSpec, dataset: Dataset, already: int
) -> Iterator[NewFile]:
    """The rows of new files: one a range of events, where files are split by them."""
    for entry in entries:
        events = spec.n_events_per_file or entry.n_events
        for start, count in _ranges(events, spec, dataset, already):
            yield entry.lfn, entry.size_bytes, entry.adler32, count, start, entry.id
        already += (events or 1) if spec.events_across_files else 0


def _ranges(
    events: int | None, spec: TaskSpec, dataset: Dataset, already: int
) -> list[tuple[int, int | None]]:
    per_job = spec.n_events_per_job
    if not dataset.is_primary or per_job is None or not events:
        return [(0, events)]
    return list(event_ranges(events, per_job, already))


def _insert(act: Act, dataset: Dataset, max_attempts: int, new: list[NewFile]) -> int:
    if new:
        ids = take_ids(act.session, "file", len(new))
        insert_rows(
            act.session, File,
            ("id", "dataset_id", "lfn", "status", "max_attempts", "size_bytes", "adler32",
             "n_events", "start_event", "catalog_file_id"),
            [(i, dataset.id, row[0], str(FileStatus.READY), max_attempts, *row[1:])
             for i, row in zip(ids, new, strict=True)],
        )  # fmt: skip
        whole = [size or 0 for _, size, _, _, start_event, _ in new if start_event == 0]
        act.session.connection().execute(
            update(DATASET).where(DATASET.c.id == dataset.id)
            .values(n_files=DATASET.c.n_files + len(new),
                    n_whole_files=DATASET.c.n_whole_files + len(whole),
                    size_bytes=DATASET.c.size_bytes + sum(whole))
        )  # fmt: skip
    empty = not new and not dataset.n_files
    event = DatasetEvent.CONTENTS_AWAITED if empty else DatasetEvent.CONTENTS_LISTED
    move_datasets(act.session, [dataset.id], event)
    return len(new)


def _due() -> ColumnElement[bool]:
    growing = in_status(TaskStatus.ASSIGNING, TaskStatus.PENDING, TaskStatus.READY,
                        TaskStatus.RUNNING, TaskStatus.SCOUTING, TaskStatus.SCOUTED)  # fmt: skip
    return or_(in_status(TaskStatus.DEFINED), and_(growing, TASK.c.feed_at <= db_now()))


STAGE = Stage(
    name="feed",
    topics=(Topic.TASK_DEFINED,),
    candidates=tasks_where(_due()),
    act=_act,
)
