"""Settle ended run jobs: their files get their status, the counters follow, outputs are catalogued.

All in bulk, in the transaction that moves the jobs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session

from tasks.catalog.own import NewEntry, add_files, find_dataset
from tasks.lifecycles import FileEvent
from tasks.retry_rules import Tries, after_failure
from tasks.statuses import UNMERGED, DatasetKind, FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.moves import move_files, move_files_of_jobs
from tasks.store.tables import DATASET, FILE, JOB_FILE, TASK
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now
from tasks.workflows.output import first_output_came

PRIMARY = (str(DatasetKind.INPUT), str(DatasetKind.SEQ_NUMBER))
CATALOGUED = (str(DatasetKind.OUTPUT), str(DatasetKind.LOG))
WRITTEN = (*CATALOGUED, str(DatasetKind.LIB), *UNMERGED)
ENDING = frozenset({TaskStatus.ABORTING, TaskStatus.FINISHING, TaskStatus.TOBROKEN})


@dataclass(frozen=True, slots=True)
class _Input:
    """A primary file of a job that did not succeed."""

    file_id: int
    dataset_id: int
    job_id: int
    tries: Tries


def settle_succeeded(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """Credit the input of succeeded jobs, catalogue their outputs, let children know."""
    if not job_ids:
        return
    inputs = _counted(session, job_ids, PRIMARY)
    done = move_files_of_jobs(session, list(job_ids), PRIMARY, FileEvent.SUCCEEDED)
    if done != sum(inputs.values()):
        raise RuntimeError(f"task {task.id}: jobs hold {sum(inputs.values())} files, {done} moved")
    _take_sizes(session, job_ids)
    outputs = _counted(session, job_ids, WRITTEN)
    move_files_of_jobs(session, list(job_ids), WRITTEN, FileEvent.SUCCEEDED)
    for dataset_id, count in (inputs + outputs).items():
        _count(session, dataset_id, finished=count)
    _catalogue(session, task, job_ids)
    moved = session.connection().execute(
        update(TASK).where(TASK.c.parent_task_id == task.id, TASK.c.input_open)
        .values(feed_at=db_now())
    )  # fmt: skip
    if moved.rowcount:
        wake(session, Topic.TASK_DEFINED)
    first_output_came(session, task.id)


def settle_prepared(session: Session, job_ids: Sequence[int]) -> None:
    """The outputs of these jobs are there, to be merged before anybody is credited."""
    _take_sizes(session, job_ids)
    move_files_of_jobs(session, list(job_ids), UNMERGED, FileEvent.PREPARED)


def settle_failed(
    session: Session, task: Task, spends: Mapping[int, bool], *, for_good: bool = False
) -> None:
    """Give back or end the input of failed jobs; their outputs have failed.

    `spends` says for each job whether the failure uses up one of the owner's attempts; `for_good`
    that none of them is to be tried again.
    """
    job_ids = list(spends)
    if not job_ids:
        return
    ending = for_good or TaskStatus(task.status) in ENDING
    groups: dict[tuple[FileEvent, bool], list[_Input]] = defaultdict(list)
    for file in _inputs(session, job_ids):
        spent = spends[file.job_id]
        event, _ = after_failure(file.tries, spent, ending)
        groups[event, spent].append(file)
    for (event, spent), files in groups.items():
        _return(session, files, event, spent)
    if any(event == FileEvent.TO_BE_TRIED_AGAIN for event, _ in groups):
        _generate_again(session, task.id)
    fail_outputs(session, job_ids)


def give_back_some(session: Session, task: Task, job_id: int, file_ids: Sequence[int]) -> None:
    """Give back or end some of a job's input that it could not process, though it succeeded."""
    ending, wanted = TaskStatus(task.status) in ENDING, set(file_ids)
    groups: dict[FileEvent, list[_Input]] = defaultdict(list)
    for file in _inputs(session, [job_id]):
        if file.file_id in wanted:
            groups[after_failure(file.tries, True, ending)[0]].append(file)
    for event, files in groups.items():
        _return(session, files, event, True)
    if FileEvent.TO_BE_TRIED_AGAIN in groups:
        _generate_again(session, task.id)


def settle_unrun(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """Give back the input of jobs that never ran: no attempt of anybody's is spent."""
    if not job_ids:
        return
    files = _inputs(session, job_ids)
    _give_back(session, files, FileEvent.TO_BE_TRIED_AGAIN, {})
    if TaskStatus(task.status) not in ENDING:
        _generate_again(session, task.id)
    fail_outputs(session, job_ids)


def _return(session: Session, files: list[_Input], event: FileEvent, spent: bool) -> None:
    name = "n_failed" if spent else "n_lost"
    _give_back(session, files, event, {name: FILE.c[name] + 1})


def _give_back(
    session: Session, files: list[_Input], event: FileEvent, values: dict[str, object]
) -> None:
    ids = [file.file_id for file in files]
    if not ids:
        return
    moved = move_files(session, id_in(FILE.c.id, ids, session), event, **values)
    if moved != len(ids):
        raise RuntimeError(f"{len(ids)} files to be given back, {moved} moved")
    for dataset_id, count in Counter(file.dataset_id for file in files).items():
        if event == FileEvent.TO_BE_TRIED_AGAIN:
            _count(session, dataset_id, used=-count)
        else:
            _count(session, dataset_id, failed=count)


def _generate_again(session: Session, task_id: int) -> None:
    session.connection().execute(
        update(TASK).where(TASK.c.id == task_id, TASK.c.status == str(TaskStatus.RUNNING))
        .values(next_look_at=None)
    )  # fmt: skip
    wake(session, Topic.TASK_READY)


def fail_outputs(session: Session, job_ids: Sequence[int]) -> None:
    """What these jobs were to write will not be there."""
    for dataset_id, count in _counted(session, job_ids, WRITTEN).items():
        _count(session, dataset_id, failed=count)
    move_files_of_jobs(session, list(job_ids), WRITTEN, FileEvent.FAILED)


def _inputs(session: Session, job_ids: Sequence[int]) -> list[_Input]:
    """The primary files that these jobs hold: a file whose last job is another's is not."""
    rows = session.connection().execute(
        select(FILE.c.id, FILE.c.dataset_id, FILE.c.job_id, FILE.c.n_failed, FILE.c.n_lost,
               FILE.c.max_attempts)
        .join(JOB_FILE, JOB_FILE.c.file_id == FILE.c.id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(PRIMARY),
               FILE.c.job_id == JOB_FILE.c.job_id)
    )  # fmt: skip
    return [_Input(r[0], r[1], r[2], Tries(r[3], r[4], r[5])) for r in rows]


def _counted(session: Session, job_ids: Sequence[int], kinds: tuple[str, ...]) -> Counter[int]:
    """How many files of each dataset these jobs hold."""
    rows = session.connection().execute(
        select(JOB_FILE.c.dataset_id, func.count())
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(kinds),
               FILE.c.job_id == JOB_FILE.c.job_id)
        .group_by(JOB_FILE.c.dataset_id)
    )  # fmt: skip
    return Counter({row[0]: row[1] for row in rows})


def _count(
    session: Session, dataset_id: int, finished: int = 0, failed: int = 0, used: int = 0
) -> None:
    c = DATASET.c
    session.connection().execute(
        update(DATASET).where(c.id == dataset_id)
        .values(n_files_finished=c.n_files_finished + finished,
                n_files_failed=c.n_files_failed + failed, n_files_used=c.n_files_used + used)
    )  # fmt: skip


def _take_sizes(session: Session, job_ids: Sequence[int]) -> None:
    """Copy size and checksum of outputs from the attempt's copy to the master copy."""
    rows = session.connection().execute(
        select(JOB_FILE.c.file_id, JOB_FILE.c.size_bytes, JOB_FILE.c.adler32)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(WRITTEN))
    ).all()  # fmt: skip
    statement = (
        update(FILE).where(FILE.c.id == bindparam("file"))
        .values(size_bytes=bindparam("size"), adler32=bindparam("sum"))
    )  # fmt: skip
    if rows:
        session.connection().execute(
            statement, [{"file": r[0], "size": r[1], "sum": r[2]} for r in rows]
        )


def _catalogue(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    rows = session.connection().execute(
        select(DATASET.c.name, FILE.c.lfn, FILE.c.size_bytes, FILE.c.adler32)
        .join(JOB_FILE, JOB_FILE.c.file_id == FILE.c.id)
        .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(CATALOGUED),
               FILE.c.status == str(FileStatus.FINISHED))
    )  # fmt: skip
    entries: dict[str, list[NewEntry]] = defaultdict(list)
    for name, lfn, size, adler32 in rows:
        path = f"{name}/{lfn}"
        entries[name].append(NewEntry(lfn, size, adler32, path, task.endpoint_id or 0))
    for name, files in entries.items():
        dataset = find_dataset(session, name)
        if dataset is None:
            raise RuntimeError(f"task {task.id}: output dataset {name} is not in the catalogue")
        add_files(session, dataset.id, files)
