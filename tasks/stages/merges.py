"""Merge: outputs that wait are taken together, and merge jobs written for them, in bulk.

Run jobs of a merging task write files that are `prepared` when the job has ended and `merging`
while a merge job has them; the run job itself is `merging` until then (spec/lifecycle.md, File).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlmodel import Session

from broker.priority import MERGE as PRIORITY
from broker.ranking import rank
from culm.wire.task_spec import TaskSpec
from tasks.merging import MergeGroup, MergeLimits, Unmerged, group
from tasks.specs import spec_of
from tasks.stages.asking import Needs, with_needs
from tasks.stages.evidence import PROCESSING
from tasks.stages.rank_queues import Scene, scene_of
from tasks.stages.select import in_status, tasks_where
from tasks.stages.settle_runs import PRIMARY
from tasks.stages.stage import Act, Outcome, Stage
from tasks.stages.write_merges import Place, write_merge_jobs
from tasks.statuses import (
    MERGE_INPUT,
    UNMERGED,
    DatasetKind,
    FileStatus,
    JobStatus,
    QueueStatus,
    TaskStatus,
)
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.tables import (
    DATASET,
    FILE,
    JOB,
    JOB_ALIVE,
    JOB_FILE,
    JOB_SERVES,
    QUEUE,
    QUEUE_STORAGE,
    TASK,
)
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now
from tasks.thresholds import Merges

JOBS_A_BATCH = 5000
"""Run jobs whose output is looked at together: many merge jobs' worth."""
WAIT_SECONDS = 60.0
"""The sweep behind the wake-ups for outputs that wait for more, or for a queue."""
_PREPARED = str(FileStatus.PREPARED)
_MERGING = str(JobStatus.MERGING)
_TELLING_TO_END = (TaskStatus.FINISHING, TaskStatus.TOBROKEN)
_STATUSES = (
    TaskStatus.READY, TaskStatus.PENDING, TaskStatus.SCOUTING, TaskStatus.SCOUTED,
    TaskStatus.RUNNING, TaskStatus.THROTTLED, *_TELLING_TO_END,
)  # fmt: skip


def _act(act: Act) -> Outcome:
    task, spec = act.session.get_one(Task, act.task_id), spec_of(act.session, act.task_id)
    plan = merge_plan(act.session, task, spec)
    if not plan.groups:
        _look_again(act, WAIT_SECONDS if plan.n_waiting else None)
        return Outcome(task.id, f"{plan.n_waiting} outputs wait for more")
    scene = merge_scene(act.session, task, spec, plan.needs)
    ranking = rank(scene.demand, scene.seen.queues, scene.seen.view, scene.preset)
    if not ranking.ranked:
        _look_again(act, WAIT_SECONDS)
        return Outcome(task.id, f"{plan.n_waiting} outputs wait for a queue that merges them")
    write_merge_jobs(act, task, spec, plan.groups, Place(plan.needs, ranking, scene.seen))
    _look_again(act, 0.0 if plan.n_waiting == JOBS_A_BATCH else WAIT_SECONDS)
    n_merged = sum(len(one.jobs) for one in plan.groups)
    said = f"{len(plan.groups)} merge jobs for the output of {n_merged} jobs"
    return Outcome(task.id, said, n_done=len(plan.groups))


def _look_again(act: Act, seconds: float | None) -> None:
    act.session.connection().execute(
        update(TASK).where(TASK.c.id == act.task_id)
        .values(merge_at=None if seconds is None else db_now(seconds), version=TASK.c.version + 1)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What is to be merged now: how many outputs wait, up to a batch, which of them go together
    (none: they wait for more), and what each merge job asks for.
    """

    n_waiting: int
    groups: Sequence[MergeGroup]
    needs: Needs


def merge_plan(session: Session, task: Task, spec: TaskSpec) -> MergePlan:
    """The merge jobs that a task should have next."""
    most = values(session).of(Merges, activity=task.activity)
    waiting = _waiting_outputs(session, task, by_events=spec.n_events_per_merge_job is not None)
    more = len(waiting) == JOBS_A_BATCH or not _nothing_more_comes(session, task)
    groups = group(waiting, _limits(spec, most), more_may_come=more)
    return MergePlan(len(waiting), groups, _needs(task, most, groups))


def most_jobs_merged(session: Session, task: Task, spec: TaskSpec) -> int:
    """The outputs of how many jobs one merge job of a task takes, whatever their size."""
    return int(_limits(spec, values(session).of(Merges, activity=task.activity)).max_files)


def _limits(spec: TaskSpec, most: Merges) -> MergeLimits:
    """How much one merge job of a task takes: as its owner said, else what is usual."""
    said = (spec.n_files_per_merge_job, spec.n_gb_per_merge_job, spec.n_events_per_merge_job)
    n_files, n_gb, n_events = said
    # Who says one limit means that one; how long a command may be holds always.
    return MergeLimits(
        max_files=n_files or (most.max_files if not any(said) else 1000),
        max_bytes=1e9 * (n_gb or (most.max_gb if not any(said) else float("inf"))),
        max_events=n_events or float("inf"),
    )


def _nothing_more_comes(session: Session, task: Task) -> bool:
    """Whether no further output is to be waited for: no input is left, no job is at work."""
    run = session.connection().execute
    at_work = exists().where(JOB.c.task_id == task.id, JOB_ALIVE, JOB.c.status != _MERGING,
                             JOB.c.kind.in_(PROCESSING))  # fmt: skip
    if run(select(at_work)).scalar():
        return False
    if task.status in _TELLING_TO_END:
        return True
    left = exists().where(DATASET.c.task_id == task.id, DATASET.c.is_primary,
                          DATASET.c.n_files_used < DATASET.c.n_files)  # fmt: skip
    return not task.input_open and not run(select(left)).scalar()


def _waiting_outputs(session: Session, task: Task, *, by_events: bool) -> list[Unmerged]:
    """The run jobs whose prepared output no merge job has, the oldest first, up to a batch."""
    log = select(DATASET.c.id).where(
        DATASET.c.task_id == task.id, DATASET.c.kind == str(DatasetKind.TMPL_LOG)
    )
    rows = session.connection().execute(
        select(FILE.c.job_id, FILE.c.id)
        .where(FILE.c.dataset_id.in_(log), FILE.c.status == _PREPARED)
        .order_by(FILE.c.id).limit(JOBS_A_BATCH)
    ).all()  # fmt: skip
    if not rows:
        return []
    ids = [row.job_id for row in rows]
    sizes, before = _sizes(session, ids), _merged_before(session, task, [row.id for row in rows])
    events = _events(session, ids) if by_events else {}
    return [
        Unmerged(row.job_id, sizes.get(row.job_id, 0), events.get(row.job_id, 1),
                 before.get(row.id))
        for row in rows
    ]  # fmt: skip


def _sizes(session: Session, job_ids: Sequence[int]) -> dict[int, int]:
    return _sums(session, job_ids, func.sum(func.coalesce(FILE.c.size_bytes, 0)), UNMERGED)


def _events(session: Session, job_ids: Sequence[int]) -> dict[int, int]:
    """The events of each job's primary input; a file without a count counts as one."""
    return _sums(session, job_ids, func.sum(func.coalesce(FILE.c.n_events, 1)), PRIMARY)


def _sums(
    session: Session, job_ids: Sequence[int], what: Any, kinds: tuple[str, ...]
) -> dict[int, int]:
    rows = session.connection().execute(
        select(JOB_FILE.c.job_id, what).join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind.in_(kinds),
               FILE.c.job_id == JOB_FILE.c.job_id)
        .group_by(JOB_FILE.c.job_id)
    )  # fmt: skip
    return {row[0]: int(row[1]) for row in rows}


def _merged_before(session: Session, task: Task, log_ids: Sequence[int]) -> dict[int, int]:
    """The last merge job that had each of these logs in vain, by the log."""
    rows = session.connection().execute(
        select(JOB_FILE.c.file_id, func.max(JOB.c.id))
        .join(JOB, JOB.c.id == JOB_FILE.c.job_id)
        .where(JOB.c.task_id == task.id, JOB_SERVES, JOB_FILE.c.kind == MERGE_INPUT,
               JOB.c.status != str(JobStatus.FINISHED),
               id_in(JOB_FILE.c.file_id, log_ids, session))
        .group_by(JOB_FILE.c.file_id)
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def _needs(task: Task, most: Merges, groups: Sequence[MergeGroup]) -> Needs:
    """One core and little else, but room for what is merged and for the merged file."""
    size_mb = max((one.size_bytes for one in groups), default=0) / 1e6
    return Needs(
        core_count=1, memory_mb=min(most.memory_mb, task.memory_mb),
        disk_mb=max(min(1000, task.disk_mb), ceil(2.2 * size_mb) + 100),
        walltime_seconds=min(most.walltime_seconds, task.walltime_seconds),
    )  # fmt: skip


def merge_scene(session: Session, task: Task, spec: TaskSpec, needs: Needs) -> Scene:
    """What is decided for merge jobs: queues at the storage where the files are, unless these
    took none for a day (spec/broker.md, filter 1).
    """
    scene = scene_of(session, with_needs(task, needs), spec, firm=True)
    demand = replace(
        scene.demand, is_merge=True, is_scout=False, priority=PRIORITY, failed_builds={},
        preassigned_queues=_near(session, task) if spec.site is None else frozenset(),
        preassigned_skipped_seconds=_oldest_seconds(session, task),
        input_mb=0, total_input_mb=0, n_input_files=0, input_at={}, io_intensity_kb_per_second=0,
        # What run jobs write for an event says nothing of a merge: its disk is asked as a whole.
        output_mb_per_event=0, work_disk_mb=needs.disk_mb,
    )  # fmt: skip
    return replace(scene, demand=demand)


def _near(session: Session, task: Task) -> frozenset[str]:
    """The online queues that read the storage where the task's output is."""
    c = QUEUE_STORAGE.c
    return frozenset(session.connection().execute(
        select(QUEUE.c.name).join(QUEUE_STORAGE, c.queue_id == QUEUE.c.id)
        .where(c.endpoint_id == task.endpoint_id, c.reads,
               QUEUE.c.status == str(QueueStatus.ONLINE))
    ).scalars())  # fmt: skip


def _oldest_seconds(session: Session, task: Task) -> float:
    """For how long the first output that waits has waited, other outputs being merged or not."""
    first = session.connection().execute(
        select(func.min(JOB.c.modified_at))
        .where(JOB.c.task_id == task.id, JOB_ALIVE, JOB.c.status == _MERGING)
    ).scalar()  # fmt: skip
    return (database_time(session) - first).total_seconds() if first else 0.0


STAGE = Stage(
    name="merge",
    topics=(Topic.MERGE_DUE,),
    candidates=tasks_where(in_status(*_STATUSES), TASK.c.merge_at <= db_now()),
    act=_act,
)
