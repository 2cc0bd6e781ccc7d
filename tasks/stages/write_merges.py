"""Merge jobs become rows: their inputs are `merging` from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlmodel import Session

from broker.allotting import allot
from broker.priority import MERGE as PRIORITY
from broker.values import Ranking
from culm.wire.task_spec import TaskSpec
from tasks.lifecycles import FileEvent
from tasks.merging import MergeGroup, merged_name
from tasks.output_names import OutputPlan, lfn
from tasks.stages.asking import Needs
from tasks.stages.queue_view import QueueView
from tasks.stages.select import datasets_of
from tasks.stages.stage import Act
from tasks.statuses import (
    LIB_INPUT,
    MERGE_INPUT,
    UNMERGED,
    DatasetKind,
    FileStatus,
    JobKind,
    JobStatus,
)
from tasks.store.books import wake
from tasks.store.bulk import id_in, insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import database_time, move_files
from tasks.store.tables import BUILD, DATASET, FILE, JOB, JOB_FILE, TASK
from tasks.store.topics import Topic
from tasks.tables import Dataset, File, Job, JobFile, Task
from tasks.tagging import resource_type


@dataclass(frozen=True, slots=True)
class Place:
    """What merge jobs ask for, and the queues that take them."""

    needs: Needs
    ranking: Ranking
    seen: QueueView


def write_merge_jobs(
    act: Act, task: Task, spec: TaskSpec, groups: Sequence[MergeGroup], place: Place
) -> None:
    """Insert a merge job for each group, activated, with what it reads and writes."""
    session, needs = act.session, place.needs
    job_ids = take_ids(session, "job", len(groups))
    queues = [name for name, n in allot(len(groups), place.ranking) for _ in range(n)]
    queue_ids = [place.seen.ids[name] for name in queues]
    attempts = _attempts(session, [one.retry_of for one in groups if one.retry_of is not None])
    insert_rows(
        session, Job, ("id", "queue_id", "attempt_nr", "retry_of"),
        [(job_id, queue_id, attempts.get(one.retry_of, 0) + 1, one.retry_of)
         for job_id, queue_id, one in zip(job_ids, queue_ids, groups, strict=True)],
        now=database_time(session),
        same={"task_id": task.id, "kind": str(JobKind.MERGE), "status": str(JobStatus.ACTIVATED),
              "share_name": task.share_name, "priority": PRIORITY,
              "resource_type": resource_type(session, needs.core_count, needs.memory_mb),
              **needs.columns},
    )  # fmt: skip
    _take_inputs(session, job_ids, groups)
    first = _take_serials(session, task, len(groups))
    for dataset in datasets_of(session, task.id, DatasetKind.OUTPUT, DatasetKind.LOG):
        _add_outputs(session, (task, spec), dataset, job_ids, first)
    if spec.merge_script is not None and spec.build_command is not None:
        _add_libs(session, task, job_ids, queue_ids)
    wake(session, Topic.JOB_ACTIVATED)


def _attempts(session: Session, job_ids: Sequence[int]) -> dict[int | None, int]:
    rows = session.connection().execute(
        select(JOB.c.id, JOB.c.attempt_nr).where(id_in(JOB.c.id, job_ids, session))
    )
    return {row.id: row.attempt_nr for row in rows}


def _take_inputs(session: Session, job_ids: Sequence[int], groups: Sequence[MergeGroup]) -> None:
    merge_of = {
        job.job_id: merge_id
        for merge_id, one in zip(job_ids, groups, strict=True) for job in one.jobs
    }  # fmt: skip
    rows = session.connection().execute(
        select(JOB_FILE.c.job_id, JOB_FILE.c.file_id, JOB_FILE.c.dataset_id)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(id_in(JOB_FILE.c.job_id, merge_of, session), JOB_FILE.c.kind.in_(UNMERGED),
               FILE.c.status == str(FileStatus.PREPARED))
    ).all()  # fmt: skip
    insert_rows(
        session, JobFile, ("job_id", "file_id", "dataset_id"),
        [(merge_of[row.job_id], row.file_id, row.dataset_id) for row in rows],
        same={"kind": MERGE_INPUT},
    )  # fmt: skip
    here = id_in(FILE.c.id, [row.file_id for row in rows], session)
    moved = move_files(session, here, FileEvent.MERGE_BEGAN)
    if moved != len(rows):
        raise RuntimeError(f"{len(rows) - moved} of {len(rows)} files to be merged were not ready")


def _take_serials(session: Session, task: Task, count: int) -> int:
    """The first of so many serial numbers: no two jobs of a task ever write the same file."""
    after = session.connection().execute(
        update(TASK).where(TASK.c.id == task.id)
        .values(next_serial_nr=TASK.c.next_serial_nr + count).returning(TASK.c.next_serial_nr)
    ).scalar_one()  # fmt: skip
    return int(after) - count


def _add_outputs(
    session: Session,
    whose: tuple[Task, TaskSpec],
    dataset: Dataset,
    job_ids: Sequence[int],
    first_serial: int,
) -> None:
    task, spec = whose
    is_log = dataset.kind == DatasetKind.LOG
    local_name = dataset.local_name if is_log else merged_name(dataset.local_name, spec)
    plan = OutputPlan(dataset.name, local_name, is_log)
    file_ids = take_ids(session, "file", len(job_ids))
    insert_rows(
        session, File, ("id", "job_id", "lfn"),
        [(file_id, job_id, lfn(task.name, task.user_name, task.id, first_serial + place, plan))
         for place, (job_id, file_id) in enumerate(zip(job_ids, file_ids, strict=True))],
        same={"dataset_id": dataset.id, "status": str(FileStatus.DEFINED)},
    )  # fmt: skip
    insert_rows(
        session, JobFile, ("job_id", "file_id"), zip(job_ids, file_ids, strict=True),
        same={"dataset_id": dataset.id, "kind": dataset.kind},
    )  # fmt: skip
    c = DATASET.c
    session.connection().execute(
        update(DATASET).where(c.id == dataset.id)
        .values(n_files=c.n_files + len(job_ids), n_files_used=c.n_files_used + len(job_ids))
    )  # fmt: skip


def _add_libs(
    session: Session, task: Task, job_ids: Sequence[int], queue_ids: Sequence[int]
) -> None:
    """A merge script may be something that was built: the lib of the queue, else any other."""
    rows = session.connection().execute(
        select(BUILD.c.queue_id, BUILD.c.lib_file_id, FILE.c.dataset_id)
        .join(FILE, FILE.c.id == BUILD.c.lib_file_id).where(BUILD.c.task_id == task.id)
        .order_by(BUILD.c.queue_id)
    )  # fmt: skip
    libs = {row.queue_id: (row.lib_file_id, row.dataset_id) for row in rows}
    if libs:
        some = next(iter(libs.values()))
        insert_rows(
            session, JobFile, ("job_id", "file_id", "dataset_id"),
            [(job_id, *libs.get(queue_id, some))
             for job_id, queue_id in zip(job_ids, queue_ids, strict=True)],
            same={"kind": LIB_INPUT},
        )  # fmt: skip
