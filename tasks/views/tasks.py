"""Tasks as their owners see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from culm.wire.views import TaskList, TaskView
from tasks.lifecycles import TASK
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.tables import JOB_SERVES
from tasks.tables import Dataset, Job, Task
from tasks.views.shown import like, moment, moment_or_none, page


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks a list shows; `before` is the id under which the page starts."""

    statuses: tuple[TaskStatus, ...] = ()
    user: str | None = None
    name: str = ""
    limit: int = 100
    before: int | None = None


def task_view(session: Session, task_id: int) -> TaskView:
    """One task with its jobs counted by status.

    Raises:
        NotFound: there is no such task.
    """
    task = _task(session, task_id)
    datasets = _datasets(session, [task_id])[task_id]
    counted = (
        select(Job.status, func.count()).where(Job.task_id == task_id).group_by(col(Job.status))
    )
    view = _view(task, datasets, dict(session.exec(counted).all()))
    return replace(view, serving_counts=_serving(session, task_id))


def _serving(session: Session, task_id: int) -> dict[str, dict[str, int]]:
    """Kind → status → how many, of the jobs that process no input."""
    query = (
        select(Job.kind, Job.status, func.count())
        .where(Job.task_id == task_id, JOB_SERVES)
        .group_by(col(Job.kind), col(Job.status))
    )
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for kind, status, count in session.exec(query):
        counts[kind][status] = count
    return dict(counts)


def task_list(session: Session, wanted: TaskFilter) -> TaskList:
    """A page of tasks, newest first. Their jobs are not counted: a page may hold millions."""
    query = select(Task).order_by(col(Task.id).desc()).limit(wanted.limit + 1)
    if wanted.statuses:
        query = query.where(col(Task.status).in_(wanted.statuses))
    if wanted.user is not None:
        query = query.where(Task.user_name == wanted.user)
    if wanted.name:
        query = query.where(like(session, Task.name, wanted.name))
    if wanted.before is not None:
        query = query.where(col(Task.id) < wanted.before)
    rows, last = page(session.exec(query).all(), wanted.limit)
    datasets = _datasets(session, [row.id for row in rows])
    views = tuple(_view(row, datasets[row.id], {}) for row in rows)
    return TaskList(tasks=views, next=last.id if last else None)


def task_version(session: Session, task_id: int) -> int | None:
    """The version of a task, which rises with what watchers care about; None: no such task."""
    return session.exec(select(Task.version).where(Task.id == task_id)).first()


def task_owner(session: Session, task_id: int) -> str | None:
    """The name of the task's owner; None if there is no such task."""
    return session.exec(select(Task.user_name).where(Task.id == task_id)).first()


def _task(session: Session, task_id: int) -> Task:
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(f"no task {task_id}")
    return task


def _datasets(session: Session, task_ids: Sequence[int]) -> Mapping[int, list[Dataset]]:
    found: defaultdict[int, list[Dataset]] = defaultdict(list)
    query = select(Dataset).where(col(Dataset.task_id).in_(task_ids)).order_by(col(Dataset.id))
    for dataset in session.exec(query):
        found[dataset.task_id].append(dataset)
    return found


def _view(task: Task, datasets: Iterable[Dataset], job_counts: dict[str, int]) -> TaskView:
    datasets = list(datasets)
    return TaskView(
        task_id=task.id,
        name=task.name,
        user=task.user_name,
        status=task.status,
        final=TaskStatus(task.status) in TASK.final,
        reason=task.reason,
        version=task.version,
        created_at=moment(task.created_at),
        modified_at=moment(task.modified_at),
        started_at=moment_or_none(task.started_at),
        ended_at=moment_or_none(task.ended_at),
        priority=task.priority,
        share=task.share_name,
        resource_type=task.resource_type,
        parent_task_id=task.parent_task_id,
        job_counts=job_counts,
        output_datasets=_names(datasets, {DatasetKind.OUTPUT, DatasetKind.LOG}),
        input_datasets=_names(datasets, {DatasetKind.INPUT}),
        **_counters(datasets),
    )


def _names(datasets: Iterable[Dataset], kinds: set[DatasetKind]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.name for row in datasets if row.kind in kinds))


def _counters(datasets: Iterable[Dataset]) -> dict[str, Any]:
    primary = [row for row in datasets if row.is_primary]
    names = ("n_files", "n_files_used", "n_files_finished", "n_files_failed")
    return {name: sum(getattr(row, name) for row in primary) for name in names}
