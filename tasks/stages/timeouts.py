"""Jobs of which there is no news for too long: closed and brokered again, or failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlmodel import Session

from culm.wire.error_codes import ServerError
from tasks.lifecycles import JobEvent
from tasks.queues import queue_settings
from tasks.stages.ending import roll_up
from tasks.stages.service import answering_since
from tasks.stages.settle import settle_failed
from tasks.stages.unstarted import send_back
from tasks.statuses import JobStatus, QueueStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why, database_time, move_jobs
from tasks.store.tables import JOB, JOB_LEASED, QUEUE
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now
from tasks.thresholds import Timeouts
from tasks.timeouts import Due, Quiet, Remedy, due, shortest_seconds

JOBS_A_BATCH = 1000
_ACTOR = "quiet_jobs"


@dataclass(frozen=True, slots=True)
class _Queue:
    """What the rules want to know of a queue, and how long they wait there."""

    limits: Timeouts
    is_paused: bool = False
    is_exempt: bool = False
    last_start: datetime | None = None


def quiet_jobs(books: Books) -> str:
    """Close or fail the jobs whose time is over by the table of `tasks.timeouts`.

    Gives a line if there was something to tell.
    """
    n_back = n_failed = 0
    after = 0
    while True:
        with books.write() as session:
            if answering_since(session) is None:
                return ""  # a deaf server hears no news from anybody
            rows = _silent(session, after)
            by_remedy = _judge(session, rows)
            n_back += _rebroker(session, by_remedy[Remedy.REBROKER])
            n_failed += _fail(session, by_remedy[Remedy.FAIL])
        if len(rows) < JOBS_A_BATCH:
            break
        after = rows[-1].id
    if not n_back and not n_failed:
        return ""
    return f"{n_back} jobs back to brokerage, {n_failed} failed: no news for too long"


_COLUMNS = (
    JOB.c.id, JOB.c.task_id, JOB.c.status, JOB.c.priority, JOB.c.queue_id, JOB.c.modified_at,
    JOB.c.started_at,
)  # fmt: skip


def _silent(session: Session, after: int) -> list[Any]:
    """Jobs that may be due, with a number above `after`, in order; a look, not a verdict."""
    limits, silent = values(session).of(Timeouts), []
    everywhere = {queue.limits for queue in _queues(session).values()} | {limits}
    for status in JobStatus:
        waits = (shortest_seconds(status, each) for each in everywhere)
        seconds = min((each for each in waits if each is not None), default=None)
        if seconds is not None:
            mine = JOB.c.status == str(status)
            silent.append(and_(mine, JOB.c.modified_at <= db_now(-seconds)))
    too_long = JOB.c.started_at <= db_now(-limits.running_seconds)
    return list(session.connection().execute(
        select(*_COLUMNS)
        .where(JOB.c.id > after,
               or_(*silent, and_(JOB.c.status == str(JobStatus.RUNNING), too_long)))
        .order_by(JOB.c.id).limit(JOBS_A_BATCH)
    ))  # fmt: skip


Found = dict[int, dict[int, Due]]
"""task → job → what is due"""


def _judge(session: Session, rows: list[Any]) -> Mapping[Remedy, Found]:
    by_remedy: dict[Remedy, Found] = {remedy: defaultdict(dict) for remedy in Remedy}
    if not rows:
        return by_remedy
    hold_tasks(session, {row.task_id for row in rows})
    # Pilots may have had news meanwhile: only what is so still, with the job held, counts.
    held = session.connection().execute(
        select(*_COLUMNS).where(id_in(JOB.c.id, [row.id for row in rows], session))
        .order_by(JOB.c.id).with_for_update()
    ).all()  # fmt: skip
    queues, now = _queues(session), database_time(session)
    vanished = _Queue(limits=values(session).of(Timeouts))
    for row in held:
        queue = queues.get(row.queue_id, vanished)
        found = due(_quiet(row, queue, now), queue.limits)
        if found is not None:
            by_remedy[found.remedy][row.task_id][row.id] = found
    return by_remedy


def _quiet(row: Any, queue: _Queue, now: datetime) -> Quiet:
    def since(moment: datetime | None) -> float:
        return 0.0 if moment is None else (now - moment).total_seconds()

    return Quiet(
        status=JobStatus(row.status), priority=row.priority, seconds=since(row.modified_at),
        running_seconds=since(row.started_at), queue_is_paused=queue.is_paused,
        reassign_is_disabled=queue.is_exempt,
        queue_silent_seconds=since(queue.last_start) if queue.last_start else None,
    )  # fmt: skip


def _queues(session: Session) -> dict[int, _Queue]:
    started = session.connection().execute(
        select(JOB.c.queue_id, func.max(JOB.c.started_at)).where(JOB_LEASED)
        .group_by(JOB.c.queue_id)
    )  # fmt: skip
    starts = {row[0]: row[1] for row in started}
    rows = session.connection().execute(
        select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.status, QUEUE.c.settings)
    )
    found, now = {}, values(session)
    for row in rows:
        settings = queue_settings(row.settings, row.name)
        found[row.id] = _Queue(
            is_paused=row.status == QueueStatus.PAUSED, is_exempt=settings.disable_reassign,
            last_start=starts.get(row.id), limits=now.of(Timeouts, workflow=settings.workflow),
        )  # fmt: skip
    return found


def _rebroker(session: Session, found: Found) -> int:
    n_moved = 0
    for task_id, jobs in found.items():
        for reason, ids in _by_reason(jobs):
            n_moved += send_back(session, task_id, ids, Why(_ACTOR, reason))
        _end(session, task_id)
    return n_moved


def _fail(session: Session, found: Found) -> int:
    n_moved = 0
    for task_id, jobs in found.items():
        for reason, ids in _by_reason(jobs):
            moved = move_jobs(
                session, ids, JobEvent.TIMED_OUT, Why(_ACTOR, reason),
                server_error_code=int(ServerError.TIMED_OUT), server_error_diag=reason,
            )  # fmt: skip
            settle_failed(session, session.get_one(Task, task_id), dict.fromkeys(moved, False))
            n_moved += len(moved)
        _end(session, task_id)
    return n_moved


def _by_reason(jobs: dict[int, Due]) -> Iterator[tuple[str, list[int]]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for job_id, found in jobs.items():
        groups[found.reason].append(job_id)
    yield from groups.items()


def _end(session: Session, task_id: int) -> None:
    roll_up(session, task_id, Why(_ACTOR))
    wake(session, Topic.TASK_CHANGED)
