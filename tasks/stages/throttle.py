"""The throttler: a share × resource type with enough queued gets no new jobs for now."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlmodel import Session

from broker.throttle import Backlog, Caps, refusal
from tasks.lifecycles import TaskEvent
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.books import Books
from tasks.store.configuration import values
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import DATASET, SHARE_STATISTICS, TASK, TASK_ALIVE

Partition = tuple[str, str]
"""Share and resource type."""

_INPUT = DATASET.c.kind.in_([str(DatasetKind.INPUT), str(DatasetKind.SEQ_NUMBER)])
_c = SHARE_STATISTICS.c
_JOBS = select(_c.share_name, _c.resource_type, func.sum(_c.n_queued), func.sum(_c.n_running))
_FILES = (
    select(TASK.c.share_name, TASK.c.resource_type, func.sum(
        DATASET.c.n_files_used - DATASET.c.n_files_finished - DATASET.c.n_files_failed))
    .join(DATASET, DATASET.c.task_id == TASK.c.id).where(TASK_ALIVE, _INPUT)
)  # fmt: skip


def backlogs(session: Session, only: Partition | None = None) -> dict[Partition, Backlog]:
    """What each partition (or only this one) has queued and running."""
    jobs = _JOBS.group_by(_c.share_name, _c.resource_type)
    files = _FILES.group_by(TASK.c.share_name, TASK.c.resource_type)
    if only is not None:
        jobs = jobs.where(_c.share_name == only[0], _c.resource_type == only[1])
        files = files.where(TASK.c.share_name == only[0], TASK.c.resource_type == only[1])
    run = session.connection().execute
    n_files: Mapping[Partition, int] = {(row[0], row[1]): int(row[2]) for row in run(files)}
    counts = {(row[0], row[1]): (int(row[2]), int(row[3])) for row in run(jobs)}
    return {
        each: Backlog(n_queued=counts.get(each, (0, 0))[0], n_running=counts.get(each, (0, 0))[1],
                      n_queued_files=n_files.get(each, 0))
        for each in counts.keys() | n_files.keys()
    }  # fmt: skip


def why_throttled(session: Session, partition: Partition) -> str:
    """Why a partition gets no new jobs now, in words; empty if it may have some."""
    backlog = backlogs(session, partition).get(partition, Backlog())
    reason = refusal(backlog, values(session).of(Caps))
    return f"share {partition[0]}, {partition[1]}: {reason}" if reason else ""


def throttler(books: Books) -> str:
    """Let the throttled tasks of partitions that have room again generate jobs."""
    throttled = select(TASK.c.id, TASK.c.share_name, TASK.c.resource_type).where(
        TASK.c.status == str(TaskStatus.THROTTLED)
    )
    with books.write() as session:
        rows = list(session.connection().execute(throttled))
        if not rows:
            return ""
        found, caps = backlogs(session), values(session).of(Caps)
        refused = {each for each, backlog in found.items() if refusal(backlog, caps)}
        free = [row.id for row in rows if (row.share_name, row.resource_type) not in refused]
        why = Why("throttler", "enough of what was queued has run")
        moved = move_tasks(session, free, TaskEvent.UNTHROTTLED, why)
    return f"{len(moved)} of {len(rows)} throttled tasks may go on" if moved else ""
