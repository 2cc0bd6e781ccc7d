"""Generate jobs: rank queues, split ready files, write jobs in bulk; files become picked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select, update

from broker.values import Ranking
from culm.wire.task_spec import TaskSpec
from tasks.lifecycles import FileEvent, TaskEvent
from tasks.output_names import OutputPlan, lfn
from tasks.specs import spec_of
from tasks.splitting import Chunk, InputFile, SplitRule, split
from tasks.stages.drafts import Draft, Numbers, Predecessor, draft, secondary_slice
from tasks.stages.ending import is_all_processed
from tasks.stages.rank_queues import keep_decision, rank_queues
from tasks.stages.select import datasets_of, in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import DatasetKind, FileStatus, JobStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in, insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import Why, database_time, move_files, move_tasks
from tasks.store.tables import DATASET, FILE, JOB, TASK
from tasks.store.topics import Topic
from tasks.tables import Dataset, File, Job, JobFile, Task
from tasks.tables.columns import db_now

JOBS_A_BATCH = 2000
FILES_A_BATCH = 20_000
HINDERED_SECONDS = 3600.0
"""A task that no queue takes is looked at again after an hour, or when a queue changes."""
WAIT_SECONDS = 60.0
"""The sweep behind the wake-ups for a task that waits for more input."""


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    spec = spec_of(act.session, act.task_id)
    datasets = datasets_of(act.session, act.task_id)
    chunks, more = _chunks(act, task, spec, datasets)
    if not chunks:
        return _nothing_to_do(act, task)
    ranking, queue_ids = rank_queues(act.session, task, spec)
    keep_decision(act.session, task.id, ranking)
    if not ranking.ranked:
        return _hindered(act, ranking)
    numbers = Numbers(task.next_serial_nr, task.next_sequence_nr, task.next_event_nr)
    drafts, numbers = draft(
        chunks, ranking, queue_ids, numbers, _predecessors(act, chunks), _rule(spec, datasets[0])
    )
    _write(act, task, drafts, datasets)
    act.session.connection().execute(
        update(TASK).where(TASK.c.id == task.id)
        .values(next_serial_nr=numbers.serial_nr, next_sequence_nr=numbers.sequence_nr,
                next_event_nr=numbers.event_nr, next_look_at=None,
                started_at=task.started_at or db_now(), version=TASK.c.version + 1)
    )  # fmt: skip
    if task.status != TaskStatus.RUNNING:
        move_tasks(act.session, [task.id], TaskEvent.JOBS_GENERATED, Why(act.actor))
    wake(act.session, Topic.JOB_ACTIVATED, Topic.TASK_CHANGED)
    where = Counter(d.queue_id for d in drafts)
    names = {queue_id: name for name, queue_id in queue_ids.items()}
    shown = ", ".join(f"{count} at {names[queue_id]}" for queue_id, count in where.items())
    return Outcome(task.id, f"{len(drafts)} jobs: {shown}", n_done=len(drafts), again=more)


def _nothing_to_do(act: Act, task: Task) -> Outcome:
    if is_all_processed(act.session, task.id):
        move_tasks(act.session, [task.id], TaskEvent.ALL_PROCESSED, Why(act.actor))
        return Outcome(task.id, "nothing is left to process")
    # Held back until feed or collect has news for it: they clear next_look_at.
    later = db_now(WAIT_SECONDS)
    if task.status == TaskStatus.RUNNING:
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == task.id).values(next_look_at=later)
        )
    elif task.input_open:
        why = Why(act.actor, f"waits for more files of task {task.parent_task_id}")
        move_tasks(act.session, [task.id], TaskEvent.HINDERED, why, next_look_at=later)
    else:
        move_tasks(act.session, [task.id], TaskEvent.JOBS_GENERATED, Why(act.actor))
    return Outcome(task.id, "waits for input or for running jobs")


def _hindered(act: Act, ranking: Ranking) -> Outcome:
    reasons = "; ".join(f"{r.queue}: {r.reason}" for r in ranking.rejections[:5])
    if len(ranking.rejections) > 5:
        reasons += f"; and {len(ranking.rejections) - 5} more"
    why = Why(act.actor, f"no queue takes its jobs: {reasons or 'there is no queue'}")
    move_tasks(
        act.session, [act.task_id], TaskEvent.HINDERED, why, next_look_at=db_now(HINDERED_SECONDS)
    )
    return Outcome(act.task_id, why.reason)


def _rule(spec: TaskSpec, dataset: Dataset) -> SplitRule:
    return SplitRule(
        n_files_per_job=dataset.n_files_per_job,
        n_gb_per_job=spec.n_gb_per_job,
        n_events_per_job=spec.n_events_per_job if spec.inputs else None,
    )


def _chunks(
    act: Act, task: Task, spec: TaskSpec, datasets: Sequence[Dataset]
) -> tuple[list[Chunk], bool]:
    """The next batch of chunks of one primary dataset, and whether there is more to do."""
    for dataset in (d for d in datasets if d.is_primary):
        rule = _rule(spec, dataset)
        limit = min(FILES_A_BATCH, JOBS_A_BATCH * (rule.n_files_per_job or 10))
        limit = max(limit, rule.n_files_per_job or 1)
        rows = act.session.connection().execute(
            select(FILE.c.id, FILE.c.size_bytes, FILE.c.n_events, FILE.c.start_event, FILE.c.job_id)
            .where(FILE.c.dataset_id == dataset.id, FILE.c.status == str(FileStatus.READY))
            .order_by(FILE.c.id).limit(limit)
        ).all()  # fmt: skip
        files = [InputFile(r[0], r[1] or 0, r[2], r[3], r[4]) for r in rows]
        # A batch that was cut off may end in the middle of a job: that job waits for the next.
        cut = len(files) == limit
        chunks = split(files, rule, more_may_come=task.input_open or cut)
        if not chunks and cut and not task.input_open:
            chunks = split(files, rule, more_may_come=False)
        if chunks:
            return chunks[:JOBS_A_BATCH], cut or len(chunks) > JOBS_A_BATCH or len(datasets) > 1
    return [], False


def _predecessors(act: Act, chunks: Sequence[Chunk]) -> dict[int, Predecessor]:
    ids = [chunk.retry_of for chunk in chunks if chunk.retry_of is not None]
    if not ids:
        return {}
    rows = act.session.connection().execute(
        select(JOB.c.id, JOB.c.attempt_nr, JOB.c.sequence_nr, JOB.c.first_event)
        .where(id_in(JOB.c.id, ids, act.session))
    )  # fmt: skip
    return {row[0]: Predecessor(row[1], row[2], row[3]) for row in rows}


def _write(act: Act, task: Task, drafts: Sequence[Draft], datasets: Sequence[Dataset]) -> None:
    now = database_time(act.session)
    job_ids = take_ids(act.session, "job", len(drafts))
    insert_rows(
        act.session, Job,
        ("id", "task_id", "attempt_nr", "retry_of", "status", "queue_id", "share_name",
         "priority", "core_count", "memory_mb", "disk_mb", "walltime_seconds", "serial_nr",
         "sequence_nr", "first_event", "max_events", "skip_events"),
        [(job_id, task.id, d.attempt_nr, d.chunk.retry_of, str(JobStatus.ACTIVATED), d.queue_id,
          task.share_name, task.priority, task.core_count, task.memory_mb, task.disk_mb,
          task.walltime_seconds, d.serial_nr, d.sequence_nr, d.first_event, d.max_events,
          d.skip_events) for job_id, d in zip(job_ids, drafts, strict=True)],
        now=now,
    )  # fmt: skip
    _pick_inputs(act, drafts, job_ids, datasets)
    _add_secondaries(act, drafts, job_ids, datasets)
    _add_outputs(act, task, drafts, job_ids, datasets)


def _pick_inputs(
    act: Act, drafts: Sequence[Draft], job_ids: Sequence[int], datasets: Sequence[Dataset]
) -> None:
    primary = {d.id: d for d in datasets if d.is_primary}
    pairs = [
        (job_id, file.file_id)
        for job_id, d in zip(job_ids, drafts, strict=True)
        for file in d.chunk.files
    ]
    rows = act.session.connection().execute(
        select(FILE.c.id, FILE.c.dataset_id)
        .where(id_in(FILE.c.id, [file_id for _, file_id in pairs], act.session))
    )  # fmt: skip
    owner = {row[0]: row[1] for row in rows}
    insert_rows(
        act.session, JobFile, ("job_id", "file_id", "dataset_id", "kind"),
        [(job_id, file_id, owner[file_id], primary[owner[file_id]].kind)
         for job_id, file_id in pairs],
    )  # fmt: skip
    statement = (
        update(FILE).where(FILE.c.id == bindparam("file"))
        .values(job_id=bindparam("job"), attempt_nr=FILE.c.attempt_nr + 1)
    )  # fmt: skip
    picked = [file_id for _, file_id in pairs]
    act.session.connection().execute(statement, [{"file": f, "job": j} for j, f in pairs])
    moved = move_files(act.session, id_in(FILE.c.id, picked, act.session), FileEvent.PICKED)
    if moved != len(picked):
        raise RuntimeError(f"task {act.task_id}: {len(picked) - moved} files were not ready")
    for dataset_id, count in Counter(owner.values()).items():
        act.session.connection().execute(
            update(DATASET).where(DATASET.c.id == dataset_id)
            .values(n_files_used=DATASET.c.n_files_used + count)
        )  # fmt: skip


def _add_secondaries(
    act: Act, drafts: Sequence[Draft], job_ids: Sequence[int], datasets: Sequence[Dataset]
) -> None:
    for dataset in datasets:
        if dataset.is_primary or dataset.kind != DatasetKind.INPUT:
            continue
        files = list(act.session.connection().execute(
            select(FILE.c.id).where(FILE.c.dataset_id == dataset.id).order_by(FILE.c.id)
        ).scalars())  # fmt: skip
        if files:
            insert_rows(
                act.session, JobFile, ("job_id", "file_id", "dataset_id", "kind"),
                ((job_id, file_id, dataset.id, dataset.kind)
                 for job_id, d in zip(job_ids, drafts, strict=True)
                 for file_id in secondary_slice(files, dataset.n_files_per_job or 1,
                                                d.sequence_nr)),
            )  # fmt: skip


def _add_outputs(
    act: Act,
    task: Task,
    drafts: Sequence[Draft],
    job_ids: Sequence[int],
    datasets: Sequence[Dataset],
) -> None:
    for dataset in datasets:
        if dataset.kind not in (DatasetKind.OUTPUT, DatasetKind.LOG):
            continue
        plan = OutputPlan(dataset.name, dataset.local_name, dataset.kind == DatasetKind.LOG)
        file_ids = take_ids(act.session, "file", len(drafts))
        insert_rows(
            act.session, File, ("id", "dataset_id", "lfn", "status", "job_id"),
            _output_rows(task, drafts, job_ids, file_ids, dataset.id, plan),
        )  # fmt: skip
        insert_rows(
            act.session, JobFile, ("job_id", "file_id", "dataset_id", "kind"),
            [(job_id, file_id, dataset.id, dataset.kind)
             for job_id, file_id in zip(job_ids, file_ids, strict=True)],
        )  # fmt: skip
        act.session.connection().execute(
            update(DATASET).where(DATASET.c.id == dataset.id)
            .values(n_files=DATASET.c.n_files + len(drafts),
                    n_files_used=DATASET.c.n_files_used + len(drafts))
        )  # fmt: skip


def _output_rows(
    task: Task,
    drafts: Sequence[Draft],
    job_ids: Sequence[int],
    file_ids: Sequence[int],
    dataset_id: int,
    plan: OutputPlan,
) -> Iterator[tuple[Any, ...]]:
    for job_id, file_id, d in zip(job_ids, file_ids, drafts, strict=True):
        name = lfn(task.name, task.user_name, task.id, d.serial_nr, plan)
        yield file_id, dataset_id, name, str(FileStatus.DEFINED), job_id


def _due() -> ColumnElement[bool]:
    unused = exists().where(
        DATASET.c.task_id == TASK.c.id,
        DATASET.c.is_primary,
        DATASET.c.n_files_used < DATASET.c.n_files,
    )
    not_held = or_(TASK.c.next_look_at.is_(None), TASK.c.next_look_at <= db_now())
    return or_(
        and_(in_status(TaskStatus.READY), not_held),
        and_(in_status(TaskStatus.RUNNING, TaskStatus.SCOUTED), not_held, unused),
        # Pending without a time waits for its input: feed will move it.
        and_(in_status(TaskStatus.PENDING), TASK.c.next_look_at <= db_now(), unused),
    )


STAGE = Stage(
    name="generate",
    topics=(Topic.TASK_READY,),
    candidates=tasks_where(_due()),
    act=_act,
)
