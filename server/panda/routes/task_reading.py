"""What is read of tasks: lists, statuses, parameters, their jobs and files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.codec import encode
from server.panda.asked import Asked
from server.panda.calls import Calls
from server.panda.envelope import Said
from server.panda.job_rows import FILE_TYPES, job_ids_of, job_rows
from server.panda.owners import own_task
from server.panda.routes.tasks import tasks
from server.panda.task_rows import Wanted, task_rows
from tasks.specs import spec_of
from tasks.statuses import DatasetKind
from tasks.store.bulk import id_in
from tasks.store.originals import original_of
from tasks.store.tables import DATASET, FILE, JOB
from tasks.tables import Task

__all__ = ["tasks"]

_calls = Calls(tasks, "task")
MOST_FILES = 100_000
_CHOOSING = frozenset({"userName", "jediTaskID", "reqID"})
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN = ("output", "log")


@_calls.get("get_tasks_detailed_info_since", told=True)
def get_tasks_detailed_info_since(asked: Asked) -> Said:
    """List tasks, newest first: at most `n_tasks`, changed since `since`, that fit `filters`.

    You see your own; an administrator who filters for users or numbers sees those.
    """
    filters = {str(k): str(v) for k, v in (asked.mapping("filters") or {}).items()}
    everybody = asked.actor.is_admin and bool(_CHOOSING & filters.keys())
    wanted = Wanted(
        owner=None if everybody else asked.actor.subject, filters=filters,
        since=asked.moment("since"), limit=asked.number("n_tasks", 500),
    )  # fmt: skip
    with asked.parts.books.read() as session:
        return Said(data=task_rows(session, wanted))


@_calls.get("get_tasks_modified_since", told=True)
def get_tasks_modified_since(asked: Asked) -> Said:
    """The numbers of tasks that changed since a time, each with those of its jobs."""
    wanted = Wanted(owner=asked.actor.subject, filters={},
                    since=asked.moment("since") or _BEGINNING)  # fmt: skip
    least = asked.number("min_task_id", 0)
    with asked.parts.books.read() as session:
        ids = [row["jediTaskID"] for row in task_rows(session, wanted) if row["jediTaskID"] > least]
        found: dict[str, list[int]] = {str(task_id): [] for task_id in ids}
        rows = session.connection().execute(
            select(JOB.c.task_id, JOB.c.id).where(id_in(JOB.c.task_id, ids, session))
            .order_by(JOB.c.id)
        )  # fmt: skip
        for task_id, job_id in rows:
            found[str(task_id)].append(job_id)
    return Said(data=found)


@_calls.get("get_status", told=True)
def get_status(asked: Asked) -> Said:
    """The status of a task."""
    with asked.parts.books.read() as session:
        return Said(data=_task(session, asked).status)


@_calls.get("get_task_parameters", told=True)
def get_task_parameters(asked: Asked) -> Said:
    """The task as its client submitted it; one of our own client, as a specification."""
    with asked.parts.books.read() as session:
        return Said(data=_parameters(session, own_task(session, asked)))


@_calls.get("get_details", told=True)
def get_details(asked: Asked) -> Said:
    """Datasets and jobs of a task; with its status and parameters if they are asked for."""
    with asked.parts.books.read() as session:
        task = _task(session, asked)
        found = _datasets_and_jobs(session, task.id)
        if asked.flag("include_status"):
            found |= {"status": task.status, "creationDate": task.created_at,
                      "modificationTime": task.modified_at}  # fmt: skip
        if asked.flag("include_parameters"):
            found["taskParams"] = _parameters(session, task.id)
    return Said(data=found)


@_calls.get("get_detailed_info")
def get_detailed_info(asked: Asked) -> Said:
    """Everything about a task that PanDA's attributes have a name for."""
    with asked.parts.books.read() as session:
        return Said(data=_detailed(session, asked, own_task(session, asked)))


@_calls.get("get_parent_detailed_info", told=True)
def get_parent_detailed_info(asked: Asked) -> Said:
    """The same about the task whose output a task processes."""
    with asked.parts.books.read() as session:
        task = _task(session, asked)
        if task.parent_task_id is None:
            raise NotFound(f"task {task.id} has no parent")
        return Said(data=_detailed(session, asked, task.parent_task_id))


@_calls.get("get_job_ids", told=True)
def get_job_ids(asked: Asked) -> Said:
    """The numbers of a task's jobs."""
    with asked.parts.books.read() as session:
        return Said(data=job_ids_of(session, own_task(session, asked)))


@_calls.get("get_job_descriptions", told=True)
def get_job_descriptions(asked: Asked) -> Said:
    """A task's jobs; with `unsuccessful_only` those that failed or were cancelled or closed."""
    with asked.parts.books.read() as session:
        task_id = own_task(session, asked)
        ids = job_ids_of(session, task_id, asked.flag("unsuccessful_only"))
        return Said(data=job_rows(session, ids))


@_calls.get("get_datasets_and_files", told=True)
def get_datasets_and_files(asked: Asked) -> Said:
    """The datasets of a task of these `dataset_types`, with their files."""
    kinds = {str(kind) for kind in asked.several("dataset_types")} or {"input", "pseudo_input"}
    with asked.parts.books.read() as session:
        datasets = [row for row in _datasets(session, own_task(session, asked))
                    if FILE_TYPES.get(row.kind, row.kind) in kinds]  # fmt: skip
        files: dict[int, list[dict[str, Any]]] = defaultdict(list)
        rows = session.connection().execute(
            select(FILE).where(id_in(FILE.c.dataset_id, [row.id for row in datasets], session))
            .order_by(FILE.c.id).limit(MOST_FILES)
        )  # fmt: skip
        for row in rows:
            files[row.dataset_id].append({
                "lfn": row.lfn, "scope": "user", "file_id": row.id, "status": row.status,
                "fsize": row.size_bytes, "attemptNr": row.attempt_nr,
            })  # fmt: skip
    return Said(data=[
        {"dataset": {"name": row.name, "id": row.id, "type": FILE_TYPES.get(row.kind, row.kind)},
         "files": files[row.id]} for row in datasets
    ])  # fmt: skip


def _task(session: Session, asked: Asked) -> Task:
    return session.get_one(Task, own_task(session, asked))


def _parameters(session: Session, task_id: int) -> dict[str, Any]:
    original = original_of(session, task_id)
    if original is not None:
        return original
    found: dict[str, Any] = encode(spec_of(session, task_id))
    return found


def _datasets(session: Session, task_id: int) -> Sequence[Any]:
    return session.connection().execute(
        select(DATASET).where(DATASET.c.task_id == task_id).order_by(DATASET.c.id)
    ).all()  # fmt: skip


def _datasets_and_jobs(session: Session, task_id: int) -> dict[str, Any]:
    datasets = _datasets(session, task_id)
    jobs = session.connection().execute(
        select(JOB.c.status, func.count()).where(JOB.c.task_id == task_id).group_by(JOB.c.status)
    )
    return {
        "inDS": ",".join(d.name for d in datasets if d.kind == DatasetKind.INPUT),
        "outDS": ",".join(d.name for d in datasets if d.kind in _WRITTEN),
        "statistics": {row[0]: row[1] for row in jobs},
        "PandaID": job_ids_of(session, task_id),
    }


def _detailed(session: Session, asked: Asked, task_id: int) -> dict[str, Any]:
    owner = None if asked.actor.is_admin else asked.actor.subject
    rows = task_rows(session, Wanted(owner=owner, filters={"jediTaskID": str(task_id)}, limit=1))
    if not rows:
        raise NotFound(f"no task {task_id} of yours")
    spec = spec_of(session, task_id)
    datasets = [
        {"datasetID": d.id, "datasetName": d.name, "type": FILE_TYPES.get(d.kind, d.kind),
         "status": d.status, "streamName": d.stream, "nFiles": d.n_files,
         "nFilesUsed": d.n_files_used, "nFilesFinished": d.n_files_finished,
         "nFilesFailed": d.n_files_failed}
        for d in _datasets(session, task_id)
    ]  # fmt: skip
    return rows[0] | {
        "vo": spec.vo, "site": spec.site, "architecture": spec.architecture,
        "ramCount": spec.memory_mb, "ramUnit": "MB", "walltime": spec.walltime_seconds,
        "campaign": spec.campaign, "nucleus": spec.nucleus, "datasets": datasets,
    }  # fmt: skip
