"""Retry: the input that did not succeed becomes ready again, with fresh attempts.

`incexec` does the same with new parameters: the task is refined again before it goes on.
"""

from __future__ import annotations

from sqlalchemy import update

from tasks.lifecycles import DatasetEvent, FileEvent, TaskEvent
from tasks.specs import spec_of
from tasks.stages.builds import forget_builds
from tasks.stages.refine import add_datasets
from tasks.stages.scouts import forget_scouts
from tasks.stages.search_ends import begin_again
from tasks.stages.select import datasets_of, in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.moves import Why, move_datasets, move_files, move_tasks
from tasks.store.tables import CATALOG_DATASET, DATASET, FILE
from tasks.store.topics import Topic
from tasks.tables import Dataset, Task


def _act(act: Act) -> Outcome:
    n_again = 0
    task = act.session.get_one(Task, act.task_id)
    forget_scouts(act.session, task.id, only_unfinished=True)
    if task.is_search:
        begin_again(act.session, task.id)
    datasets = datasets_of(act.session, act.task_id)
    if not datasets:  # it was ended before it was refined
        add_datasets(act, spec_of(act.session, act.task_id))
    for dataset in datasets:
        move_datasets(act.session, [dataset.id], DatasetEvent.REOPENED)
        if dataset.kind in (DatasetKind.OUTPUT, DatasetKind.LOG):
            _reopen(act, dataset)
        elif dataset.is_primary:
            n_again += _again(act, dataset, task.max_attempts)
        elif dataset.kind == DatasetKind.INPUT:
            _reuse(act, dataset)
    # What was built still serves, unless the parameters change.
    forget_builds(act.session, task.id, only_failed=task.status != TaskStatus.TOINCEXEC)
    why = Why(act.actor, f"{n_again} inputs are tried again")
    # Feed looks at the input again: new files of a done task's input are taken too.
    anew = task.status == TaskStatus.TOINCEXEC
    event = TaskEvent.PARAMETERS_CHANGED if anew else TaskEvent.RETRY_PREPARED
    move_tasks(act.session, [act.task_id], event, why, next_look_at=None)
    return Outcome(act.task_id, why.reason, n_done=n_again)


def _again(act: Act, dataset: Dataset, max_attempts: int) -> int:
    here = FILE.c.dataset_id == dataset.id
    count = move_files(
        act.session, here, FileEvent.RETRIED, n_failed=0, n_lost=0, max_attempts=max_attempts
    )
    c = DATASET.c
    act.session.connection().execute(
        update(DATASET).where(c.id == dataset.id)
        .values(n_files_used=c.n_files_used - count, n_files_failed=c.n_files_failed - count)
    )  # fmt: skip
    return count


def _reuse(act: Act, dataset: Dataset) -> None:
    count = move_files(act.session, FILE.c.dataset_id == dataset.id, FileEvent.REUSED)
    c = DATASET.c
    act.session.connection().execute(
        update(DATASET).where(c.id == dataset.id)
        .values(n_files_used=c.n_files_used - count, n_files_finished=c.n_files_finished - count)
    )  # fmt: skip


def _reopen(act: Act, dataset: Dataset) -> None:
    c = CATALOG_DATASET.c
    act.session.connection().execute(
        update(CATALOG_DATASET).where(c.name == dataset.name, c.task_id == act.task_id)
        .values(is_open=True)
    )  # fmt: skip


STAGE = Stage(
    name="retry",
    topics=(Topic.TASK_TO_RETRY,),
    candidates=tasks_where(in_status(TaskStatus.TORETRY, TaskStatus.TOINCEXEC)),
    act=_act,
)
