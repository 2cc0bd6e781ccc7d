"""Generate jobs: rank queues, split ready files, write jobs in bulk; files become picked.

Tasks are in partitions, by share and resource type. Those of one partition are generated one at
a time, the highest priority first; partitions go on beside each other, and one that has enough
queued is throttled (panda-docs 14.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlmodel import Session

from broker.values import Ranking
from culm.wire.task_spec import TaskSpec
from tasks.lifecycles import TaskEvent
from tasks.specs import spec_of
from tasks.splitting import Chunk, InputFile, SplitRule, split
from tasks.stages.drafts import Numbers, Predecessor, draft
from tasks.stages.ending import is_all_processed
from tasks.stages.queue_view import note_sent
from tasks.stages.rank_queues import keep_decision, rank_queues
from tasks.stages.select import datasets_of, in_status
from tasks.stages.share_counts import note_generated
from tasks.stages.stage import Act, Outcome, Stage
from tasks.stages.throttle import why_throttled
from tasks.stages.write_jobs import write_jobs
from tasks.statuses import FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.locks import one_at_a_time
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import DATASET, FILE, JOB, TASK
from tasks.store.topics import Topic
from tasks.tables import Dataset, Task
from tasks.tables.columns import db_now

JOBS_A_BATCH = 2000
FILES_A_BATCH = 20_000
GUESSED_FILES_PER_JOB = 10
"""How many files to read for a job whose number of files follows from sizes or events."""
HINDERED_SECONDS = 3600.0
"""A task that no queue takes is looked at again after an hour, or when a queue changes."""
WAIT_SECONDS = 60.0
"""The sweep behind the wake-ups for a task that waits for more input."""


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    one_at_a_time(act.session, f"generate/{task.share_name}/{task.resource_type}")
    spec = spec_of(act.session, act.task_id)
    datasets = datasets_of(act.session, act.task_id)
    chunks = _chunks(act, task, spec, datasets)
    if not chunks:
        return _nothing_to_do(act, task)
    throttled = why_throttled(act.session, (task.share_name, task.resource_type))
    if throttled:
        move_tasks(act.session, [task.id], TaskEvent.THROTTLED, Why(act.actor, throttled))
        return Outcome(task.id, throttled)
    ranking, seen = rank_queues(act.session, task, spec)
    keep_decision(act.session, task.id, ranking)
    if not ranking.ranked:
        return _hindered(act, ranking)
    numbers = Numbers(task.next_serial_nr, task.next_sequence_nr, task.next_event_nr)
    drafts, numbers = draft(
        chunks, ranking, seen.ids, numbers, _predecessors(act, chunks), _rule(spec, datasets[0])
    )
    write_jobs(act, task, drafts, datasets)
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
    note_generated(act.session, task, where)
    names = {queue_id: name for name, queue_id in seen.ids.items()}
    for queue_id, n_jobs in where.items():
        note_sent(seen, names[queue_id], n_jobs)
    shown = ", ".join(f"{count} at {names[queue_id]}" for queue_id, count in where.items())
    return Outcome(task.id, f"{len(drafts)} jobs: {shown}", n_done=len(drafts), again=True)


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
        n_events_per_job=spec.n_events_per_job,
    )


def _chunks(act: Act, task: Task, spec: TaskSpec, datasets: Sequence[Dataset]) -> list[Chunk]:
    """The next batch of chunks, of one primary dataset."""
    for dataset in (d for d in datasets if d.is_primary):
        rule = _rule(spec, dataset)
        per_job = rule.n_files_per_job or (GUESSED_FILES_PER_JOB if rule.is_given else 1)
        limit = min(FILES_A_BATCH, JOBS_A_BATCH * per_job)
        limit = max(limit, rule.n_files_per_job or 1)
        files = _ready_files(act, dataset, limit)
        # A batch that was cut off may end in the middle of a job: that job waits for the next.
        cut = len(files) >= limit
        chunks = split(files, rule, more_may_come=task.input_open or cut)
        if not chunks and cut and not task.input_open:
            chunks = split(files, rule, more_may_come=False)
        if chunks:
            return chunks[:JOBS_A_BATCH]
    return []


def _ready_files(act: Act, dataset: Dataset, limit: int) -> list[InputFile]:
    """The first ready files, and those further on that were in a job with one of them."""
    ready = (
        select(FILE.c.id, FILE.c.size_bytes, FILE.c.n_events, FILE.c.start_event, FILE.c.job_id)
        .where(FILE.c.dataset_id == dataset.id, FILE.c.status == str(FileStatus.READY))
        .order_by(FILE.c.id)
    )  # fmt: skip
    run = act.session.connection().execute
    rows = list(run(ready.limit(limit)))
    before = {row.job_id for row in rows if row.job_id is not None}
    if before and len(rows) == limit:
        rest = FILE.c.id > rows[-1].id, id_in(FILE.c.job_id, before, act.session)
        rows += run(ready.where(*rest))
    return [InputFile(r[0], r[1] or 0, r[2], r[3], r[4]) for r in rows]


def _predecessors(act: Act, chunks: Sequence[Chunk]) -> dict[int, Predecessor]:
    ids = [chunk.retry_of for chunk in chunks if chunk.retry_of is not None]
    if not ids:
        return {}
    rows = act.session.connection().execute(
        select(JOB.c.id, JOB.c.attempt_nr, JOB.c.sequence_nr, JOB.c.first_event)
        .where(id_in(JOB.c.id, ids, act.session))
    )  # fmt: skip
    return {row[0]: Predecessor(row[1], row[2], row[3]) for row in rows}


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


def _candidates(
    session: Session, limit: int, task_ids: Sequence[int] | None
) -> list[tuple[int, str]]:
    """Tasks that are due: the first of each partition, then the second of each, …"""
    partition = (TASK.c.share_name, TASK.c.resource_type)
    by_priority = (TASK.c.priority.desc(), TASK.c.id)
    turn = func.row_number().over(partition_by=partition, order_by=by_priority)
    statement = select(TASK.c.id, TASK.c.name).where(_due())
    if task_ids is not None:
        statement = statement.where(id_in(TASK.c.id, task_ids, session))
    rows = session.connection().execute(statement.order_by(turn, *by_priority).limit(limit))
    return [(row.id, row.name) for row in rows]


STAGE = Stage(
    name="generate",
    topics=(Topic.TASK_READY,),
    candidates=_candidates,
    act=_act,
)
