"""Lost output, produced again: the input of the jobs that wrote it is processed once more.

The ended jobs stay as they are; their files are marked as what became of them (`lost_input`,
`lost_output`), so that nothing is credited twice. Then the task is retried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import bindparam, delete, func, select, update
from sqlmodel import Session

from culm.core.errors import FieldFault, InvalidRequest, NotFound, WrongStatus
from culm.wire.recovery import LostFile, RecoveryAnswer, RecoveryRequest
from tasks.lifecycles import TASK as MACHINE
from tasks.lifecycles import FileEvent, TaskEvent
from tasks.stages.settle_runs import PRIMARY
from tasks.statuses import MERGE_INPUT, UNMERGED, DatasetKind, FileStatus, JobKind, TaskStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import id_in
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why, move_files, move_tasks
from tasks.store.tables import (
    CATALOG_DATASET,
    CATALOG_FILE,
    DATASET,
    ENDPOINT,
    FILE,
    JOB,
    JOB_FILE,
    REPLICA,
)
from tasks.store.topics import Topic
from tasks.tables import Task

LOST_INPUT, LOST_OUTPUT = "lost_input", "lost_output"
"""Kinds of a job's files once its output was lost: it gets no credit for them any more."""
_WRITTEN = (str(DatasetKind.OUTPUT), *UNMERGED)


@dataclass(frozen=True, slots=True)
class _Output:
    """An output of a task: its row, and where a copy should be, as far as we can look there."""

    file_id: int
    dataset: str
    lfn: str
    job_id: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which jobs' work is done again, and the files that this is about."""

    job_ids: Sequence[int]
    input_ids: Sequence[int]
    written: Sequence[tuple[int, str, str, int, str]]
    """File id, dataset, name, job, kind of dataset."""


def recover(books: Books, task_id: int, user: str, wanted: RecoveryRequest) -> RecoveryAnswer:
    """Find what a task's output lacks and, unless it is a dry run, have it produced again.

    Raises:
        NotFound: there is no such task.
        WrongStatus: the task has not ended, or not so that it can be tried again.
        InvalidRequest: it is a search, or what is named is not its output.
    """
    with books.read() as session:
        _check(session, task_id)
        outputs = list(_outputs(session, task_id, wanted))
    named = frozenset(wanted.files)
    lost = [one for one in outputs if one.lfn in named or _is_lost(one)]
    checked = sum(one.path is not None for one in outputs)
    with books.read() if wanted.dry_run else books.write() as session:
        plan = _plan(session, [one.file_id for one in lost])
        if lost and not wanted.dry_run:
            hold_tasks(session, [task_id])
            # Somebody may have been faster: what is not finished any more is left alone.
            plan = _plan(session, [one.file_id for one in lost])
            _check(session, task_id)
            _apply(session, task_id, plan, Why(user, f"{len(lost)} lost files are recovered"))
    gone = {one.file_id for one in lost}
    also = (w for w in plan.written if w[4] == DatasetKind.OUTPUT and w[0] not in gone)
    return RecoveryAnswer(
        task_id=task_id, dry_run=wanted.dry_run, n_checked=checked,
        n_unchecked=len(outputs) - checked, n_jobs=len(plan.job_ids), n_inputs=len(plan.input_ids),
        lost=tuple(LostFile(dataset=o.dataset, lfn=o.lfn, job_id=o.job_id) for o in lost),
        also_replaced=tuple(LostFile(dataset=d, lfn=n, job_id=j) for _, d, n, j, _ in also),
    )  # fmt: skip


def _check(session: Session, task_id: int) -> None:
    task = session.get(Task, task_id, populate_existing=True)
    if task is None:
        raise NotFound(f"no task {task_id}")
    if task.is_search:
        fault = FieldFault("task", str(task_id), "no hyperparameter search")
        raise InvalidRequest("the metrics of a search cannot be recovered", faults=[fault])
    if MACHINE.target(TaskStatus(task.status), TaskEvent.RETRY_REQUESTED) is None:
        takers = sorted(str(s) for s in MACHINE.sources(TaskEvent.RETRY_REQUESTED))
        raise WrongStatus(f"task {task_id} is {task.status}: recovery needs one of "
                          f"{', '.join(takers)}")  # fmt: skip


def _outputs(session: Session, task_id: int, wanted: RecoveryRequest) -> Iterator[_Output]:
    """The finished outputs that are meant; those that are named must be among them."""
    query = (
        select(FILE.c.id, DATASET.c.name, FILE.c.lfn, FILE.c.job_id, ENDPOINT.c.directory,
               REPLICA.c.path)
        .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .join(CATALOG_DATASET, CATALOG_DATASET.c.name == DATASET.c.name)
        .join(CATALOG_FILE, (CATALOG_FILE.c.dataset_id == CATALOG_DATASET.c.id)
              & (CATALOG_FILE.c.lfn == FILE.c.lfn))
        .outerjoin(REPLICA, REPLICA.c.catalog_file_id == CATALOG_FILE.c.id)
        .outerjoin(ENDPOINT, ENDPOINT.c.id == REPLICA.c.endpoint_id)
        .where(DATASET.c.task_id == task_id, DATASET.c.kind == str(DatasetKind.OUTPUT),
               FILE.c.status == str(FileStatus.FINISHED))
        .order_by(FILE.c.id)
    )  # fmt: skip
    if wanted.dataset is not None:
        query = query.where(DATASET.c.name == wanted.dataset.rstrip("/"))
    named = frozenset(wanted.files)
    missing, seen_any = set(named), wanted.dataset is None
    for row in session.connection().execute(query):
        seen_any = True
        missing.discard(row.lfn)
        if not named or row.lfn in named:
            path = Path(row.directory) / row.path if row.directory and row.path else None
            yield _Output(row.id, row.name, row.lfn, row.job_id, path)
    faults = [FieldFault("files", name, f"an output of task {task_id}") for name in sorted(missing)]
    if not seen_any:
        faults.append(FieldFault("dataset", str(wanted.dataset), f"one that task {task_id} wrote"))
    if faults:
        raise InvalidRequest("this is not to be recovered", faults=faults[:100])


def _is_lost(output: _Output) -> bool:
    return output.path is not None and not output.path.is_file()


def _plan(session: Session, file_ids: Sequence[int]) -> _Plan:
    """The jobs behind lost files: what was merged is processed and merged again."""
    run = session.connection().execute
    if not file_ids:
        return _Plan((), (), ())
    producers = run(
        select(JOB.c.id, JOB.c.kind).join(FILE, FILE.c.job_id == JOB.c.id)
        .where(id_in(FILE.c.id, file_ids, session), FILE.c.status == str(FileStatus.FINISHED))
        .distinct()
    ).all()  # fmt: skip
    merges = [row.id for row in producers if row.kind == JobKind.MERGE]
    runs = {row.id for row in producers if row.kind != JobKind.MERGE}
    if merges:
        runs |= set(run(
            select(FILE.c.job_id).join(JOB_FILE, JOB_FILE.c.file_id == FILE.c.id)
            .where(id_in(JOB_FILE.c.job_id, merges, session), JOB_FILE.c.kind == MERGE_INPUT)
        ).scalars())  # fmt: skip
    job_ids = sorted({*runs, *merges})
    inputs = run(
        select(FILE.c.id).join(JOB_FILE, JOB_FILE.c.file_id == FILE.c.id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(PRIMARY),
               FILE.c.job_id == JOB_FILE.c.job_id, FILE.c.status == str(FileStatus.FINISHED))
    ).scalars().all()  # fmt: skip
    written = run(
        select(FILE.c.id, DATASET.c.name, FILE.c.lfn, FILE.c.job_id, DATASET.c.kind)
        .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .where(id_in(FILE.c.job_id, job_ids, session), DATASET.c.kind.in_(_WRITTEN),
               FILE.c.status == str(FileStatus.FINISHED)).order_by(FILE.c.id)
    )  # fmt: skip
    return _Plan(job_ids, inputs, [tuple(row) for row in written])


def _apply(session: Session, task_id: int, plan: _Plan, why: Why) -> None:
    run = session.connection().execute
    _move(session, plan.input_ids, FileEvent.REUSED, used=True)
    run(update(FILE).where(id_in(FILE.c.id, plan.input_ids, session))
        .values(n_failed=0, n_lost=0))  # fmt: skip
    written = [file_id for file_id, *_ in plan.written]
    _move(session, written, FileEvent.FOUND_LOST, used=False)
    for kinds, now in (((*PRIMARY, MERGE_INPUT), LOST_INPUT), (_WRITTEN, LOST_OUTPUT)):
        run(update(JOB_FILE)
            .where(id_in(JOB_FILE.c.job_id, plan.job_ids, session), JOB_FILE.c.kind.in_(kinds))
            .values(kind=now))  # fmt: skip
    _uncatalogue(session, plan)
    move_tasks(session, [task_id], TaskEvent.RETRY_REQUESTED, why)
    wake(session, Topic.TASK_TO_RETRY)


def _move(session: Session, ids: Collection[int], event: FileEvent, *, used: bool) -> None:
    """Move finished files; the counters of their datasets follow."""
    if not ids:
        return
    here = id_in(FILE.c.id, ids, session)
    rows = session.connection().execute(
        select(FILE.c.dataset_id, func.count()).where(here).group_by(FILE.c.dataset_id)
    )
    counts = Counter({row[0]: row[1] for row in rows})
    moved = move_files(session, here, event)
    if moved != counts.total():
        raise RuntimeError(f"{counts.total()} files to be {event}, {moved} moved")
    c = DATASET.c
    session.connection().execute(
        update(DATASET).where(c.id == bindparam("dataset"))
        .values(n_files_finished=c.n_files_finished - bindparam("n"),
                n_files_used=c.n_files_used - bindparam("n_ready")),
        [{"dataset": i, "n": n, "n_ready": n if used else 0} for i, n in counts.items()],
    )  # fmt: skip


def _uncatalogue(session: Session, plan: _Plan) -> None:
    """Take what comes anew out of the catalogue: whoever reads it must not get it twice."""
    run, c = session.connection().execute, CATALOG_FILE.c
    ids = [file_id for file_id, _, _, _, kind in plan.written if kind == DatasetKind.OUTPUT]
    if not ids:
        return
    rows = run(
        select(c.id, c.dataset_id, c.size_bytes)
        .join(CATALOG_DATASET, CATALOG_DATASET.c.id == c.dataset_id)
        .join(DATASET, DATASET.c.name == CATALOG_DATASET.c.name)
        .join(FILE, (FILE.c.dataset_id == DATASET.c.id) & (FILE.c.lfn == c.lfn))
        .where(id_in(FILE.c.id, ids, session))
    ).all()  # fmt: skip
    gone = [row.id for row in rows]
    run(delete(REPLICA).where(id_in(REPLICA.c.catalog_file_id, gone, session)))
    run(delete(CATALOG_FILE).where(id_in(c.id, gone, session)))
    for dataset_id in {row.dataset_id for row in rows}:
        sizes = [row.size_bytes for row in rows if row.dataset_id == dataset_id]
        run(update(CATALOG_DATASET).where(CATALOG_DATASET.c.id == dataset_id)
            .values(n_files=CATALOG_DATASET.c.n_files - len(sizes),
                    size_bytes=CATALOG_DATASET.c.size_bytes - sum(sizes)))  # fmt: skip
