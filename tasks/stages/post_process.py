"""Post-process: what is not processed is given up, outputs are closed, the task gets its end."""

from __future__ import annotations

from sqlalchemy import and_, exists, func, or_, select, update

from tasks.lifecycles import DatasetEvent, FileEvent, TaskEvent
from tasks.roll_up import verdict
from tasks.stages.search_ends import verdict_of_search
from tasks.stages.select import datasets_of, in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import DatasetKind, FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.moves import Why, move_datasets, move_files, move_tasks
from tasks.store.tables import CATALOG_DATASET, DATASET, FILE, JOB, JOB_ALIVE, TASK
from tasks.store.topics import Topic
from tasks.tables import Dataset, Task
from tasks.tables.columns import db_now

_FORCED = {TaskStatus.ABORTING: TaskEvent.ABORTED, TaskStatus.TOBROKEN: TaskEvent.BROKEN}


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    datasets = datasets_of(act.session, task.id)
    for dataset in datasets:
        _close(act, dataset)
    event, reason = _end(act, task)
    why = Why(act.actor, reason)
    move_tasks(act.session, [task.id], event, why, input_open=False, feed_at=None)
    _wake_children(act)
    return Outcome(task.id, f"{event}: {reason}" if reason else str(event))


def _end(act: Act, task: Task) -> tuple[TaskEvent, str]:
    """The event that ends the task, and the reason in words."""
    forced = _FORCED.get(TaskStatus(task.status))
    if forced is not None:
        return forced, task.reason
    if task.is_search:
        return verdict_of_search(act.session, task.id)
    return _verdict(act), _words(act)


def _close(act: Act, dataset: Dataset) -> None:
    here = FILE.c.dataset_id == dataset.id
    if dataset.kind in (DatasetKind.OUTPUT, DatasetKind.LOG):
        act.session.connection().execute(
            update(CATALOG_DATASET)
            .where(CATALOG_DATASET.c.name == dataset.name,
                   CATALOG_DATASET.c.task_id == act.task_id)
            .values(is_open=False)
        )  # fmt: skip
    elif dataset.is_primary:
        given_up = move_files(act.session, here, FileEvent.GIVEN_UP)
        _count(act, dataset, used=given_up, failed=given_up)
    elif dataset.kind == DatasetKind.INPUT:
        served = move_files(act.session, here, FileEvent.SERVED)
        _count(act, dataset, used=served, finished=served)
    move_datasets(act.session, [dataset.id], DatasetEvent.CLOSED)


def _count(act: Act, dataset: Dataset, used: int, finished: int = 0, failed: int = 0) -> None:
    c = DATASET.c
    act.session.connection().execute(
        update(DATASET).where(c.id == dataset.id)
        .values(n_files_used=c.n_files_used + used, n_files_failed=c.n_files_failed + failed,
                n_files_finished=c.n_files_finished + finished)
    )  # fmt: skip


def _sums(act: Act) -> tuple[int, int]:
    row = act.session.connection().execute(
        select(func.coalesce(func.sum(DATASET.c.n_files), 0),
               func.coalesce(func.sum(DATASET.c.n_files_finished), 0))
        .where(DATASET.c.task_id == act.task_id, DATASET.c.is_primary)
    ).one()  # fmt: skip
    return int(row[0]), int(row[1])


def _verdict(act: Act) -> TaskEvent:
    return verdict(*_sums(act))


def _words(act: Act) -> str:
    n_files, n_finished = _sums(act)
    if n_files == n_finished:
        return ""
    last = act.session.connection().execute(
        select(JOB.c.id, JOB.c.pilot_error_code, JOB.c.pilot_error_diag, JOB.c.server_error_diag)
        .join(FILE, FILE.c.job_id == JOB.c.id)
        .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
        .where(DATASET.c.task_id == act.task_id, DATASET.c.is_primary,
               FILE.c.status == str(FileStatus.FAILED))
        .order_by(JOB.c.id.desc()).limit(1)
    ).first()  # fmt: skip
    words = f"{n_files - n_finished} of {n_files} inputs did not succeed"
    if last is None:
        return words
    diag = last.server_error_diag or last.pilot_error_diag
    return f"{words}; last job {last.id}: {diag or f'error {last.pilot_error_code}'}"


def _wake_children(act: Act) -> None:
    moved = act.session.connection().execute(
        update(TASK).where(TASK.c.parent_task_id == act.task_id, TASK.c.input_open)
        .values(feed_at=db_now())
    )  # fmt: skip
    if moved.rowcount:
        wake(act.session, Topic.TASK_DEFINED)


_ALIVE = exists().where(JOB.c.task_id == TASK.c.id, JOB_ALIVE)
_ENDING = in_status(TaskStatus.ABORTING, TaskStatus.FINISHING, TaskStatus.TOBROKEN)

STAGE = Stage(
    name="post_process",
    topics=(Topic.TASK_ENDING, Topic.JOB_REPORTED, Topic.TASK_CHANGED),
    candidates=tasks_where(or_(in_status(TaskStatus.PREPARED), and_(_ENDING, ~_ALIVE))),
    act=_act,
)
