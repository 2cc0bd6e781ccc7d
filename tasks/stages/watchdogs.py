"""Watchdogs: what looks after jobs, pilots and leases while nobody else does.

Each is a plain function over the books that says in words what it did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session
from sqlmodel import select as model_select

from culm.wire.error_codes import ServerError
from tasks.lifecycles import JobEvent
from tasks.queues import queue_settings
from tasks.stages.ending import roll_up
from tasks.stages.service import answering_since
from tasks.stages.settle import settle_failed
from tasks.statuses import PilotStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import id_in
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why, database_time, move_jobs
from tasks.store.tables import JOB, JOB_LEASED, LOCK, PILOT
from tasks.store.topics import Topic
from tasks.tables import Queue, Task
from tasks.tables.columns import db_now

JOBS_A_BATCH = 1000
_WHY = Why("lost_jobs", "lost heartbeat: its lease ran out")


def lost_jobs(books: Books) -> str:
    """Fail jobs whose lease ran out, so that their input runs again.

    A deaf server expires no leases: after an interruption of service, pilots have two
    heartbeats' time to report first. Gives a line if there was something to tell.
    """
    n_lost = 0
    while True:
        with books.write() as session:
            rows = session.connection().execute(
                select(JOB.c.id, JOB.c.task_id, JOB.c.status)
                .where(JOB_LEASED, JOB.c.lease_expires_at < db_now())
                .order_by(JOB.c.lease_expires_at).limit(JOBS_A_BATCH)
            ).all()  # fmt: skip
            if rows and not _pilots_could_report(session):
                return f"{len(rows)} leases ran out while no server answered: pilots report first"
            n_lost += _lose(session, rows)
        if len(rows) < JOBS_A_BATCH:
            return f"{n_lost} jobs lost" if n_lost else ""


def _pilots_could_report(session: Session) -> bool:
    since = answering_since(session)
    if since is None:
        return False
    queues = session.exec(model_select(Queue)).all()
    beats = [queue_settings(queue.settings, queue.name).heartbeat_seconds for queue in queues]
    return database_time(session) >= since + timedelta(seconds=2 * max(beats, default=0.0))


def _lose(session: Session, rows: Sequence[Any]) -> int:
    by_task: dict[int, dict[int, str]] = defaultdict(dict)
    for job_id, task_id, status in _still_silent(session, rows):
        by_task[task_id][job_id] = status
    for task_id, jobs in by_task.items():
        task = session.get_one(Task, task_id)
        moved = move_jobs(
            session,
            jobs,
            JobEvent.LEASE_EXPIRED,
            _WHY,
            server_error_code=int(ServerError.LOST_HEARTBEAT),
            server_error_diag=_WHY.reason,
        )
        # Jobs that were never started count too: a pilot that takes work and dies must not
        # keep a file going round for ever.
        settle_failed(session, task, dict.fromkeys(moved, False))
        roll_up(session, task_id, _WHY)
        # Also for who ends a task that is told to end: these may have been its last jobs.
        wake(session, Topic.TASK_CHANGED)
    return sum(len(jobs) for jobs in by_task.values())


def _still_silent(session: Session, rows: Sequence[Any]) -> Sequence[Any]:
    """Those of the jobs that nobody was heard of meanwhile, they and their tasks held."""
    hold_tasks(session, {row.task_id for row in rows})
    return session.connection().execute(
        select(JOB.c.id, JOB.c.task_id, JOB.c.status)
        .where(id_in(JOB.c.id, [row.id for row in rows], session),
               JOB_LEASED, JOB.c.lease_expires_at < db_now())
        .order_by(JOB.c.id).with_for_update()
    ).all()  # fmt: skip


def gone_pilots(books: Books, silent_seconds: float = 900.0) -> str:
    """Sign off pilots that were not heard from and have no job."""
    at_work = select(JOB.c.pilot_id).where(JOB_LEASED)
    with books.write() as session:
        moved = session.connection().execute(
            update(PILOT)
            .where(PILOT.c.status == str(PilotStatus.ACTIVE),
                   PILOT.c.last_heard_at < db_now(-silent_seconds), PILOT.c.id.not_in(at_work))
            .values(status=str(PilotStatus.GONE))
        ).rowcount  # fmt: skip
    return f"{moved} pilots gone" if moved else ""


def clean_up(books: Books, keep_seconds: float = 3600.0) -> str:
    """Remove leases that ran out long ago (their owners are dead)."""
    with books.write() as session:
        moved = (
            session.connection()
            .execute(delete(LOCK).where(LOCK.c.expires_at < db_now(-keep_seconds)))
            .rowcount
        )
    return f"{moved} old leases removed" if moved else ""
