"""Rebrokerage: jobs that wait in vain are closed, and their input is brokered again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, literal, or_, select
from sqlmodel import Session

from broker.rebrokerage import Standing, Waiting, rebroker
from broker.thresholds import Thresholds
from culm.wire.error_codes import ServerError
from tasks.queues import queue_settings
from tasks.specs import specs_of
from tasks.stages.ending import roll_up
from tasks.stages.unstarted import send_back
from tasks.statuses import JobStatus, QueueStatus
from tasks.store.books import Books
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why, database_time
from tasks.store.tables import JOB, JOB_WAITING, QUEUE
from tasks.tables.columns import db_now

JOBS_A_BATCH = 1000
BATCHES_A_RUN = 20
MOST_ANCESTORS = 50
"""How far back it is looked how often a job was moved."""
_CODE = int(ServerError.WAITED_TOO_LONG)
_CLOSED = (str(QueueStatus.TEST), str(QueueStatus.OFFLINE))


def rebroker_waiting(books: Books) -> str:
    """Send jobs elsewhere that wait for too long, or at a queue that is closed for too long."""
    after, n_moved = 0, 0
    for _ in range(BATCHES_A_RUN):
        with books.write() as session:
            limits = values(session).of(Thresholds)
            queues = standings(session)
            rows = _candidates(session, queues, limits, after)
            waiting = _waiting(session, rows, {i: name for i, (name, _) in queues.items()})
            by_name = dict(queues.values())
            reasons = {m.job_id: m.reason for m in rebroker(waiting, by_name, limits)}
            n_moved += close(session, reasons, "rebroker")
        if len(rows) < JOBS_A_BATCH:
            break
        after = rows[-1].id
    return f"{n_moved} jobs sent elsewhere" if n_moved else ""


def standings(session: Session) -> dict[int, tuple[str, Standing]]:
    """Name and standing of each queue. The only one that is open keeps what it has."""
    now = database_time(session)
    rows = session.connection().execute(select(QUEUE)).all()
    n_open = sum(row.status == QueueStatus.ONLINE for row in rows)
    found = {}
    for row in rows:
        since = row.status_changed_at
        others = n_open - (row.status == QueueStatus.ONLINE)
        settings = queue_settings(row.settings, row.name)
        found[row.id] = (
            row.name,
            Standing(
                status=row.status,
                status_seconds=(now - since).total_seconds() if since else 0.0,
                keeps_jobs=settings.disable_reassign or others < 1,
            ),
        )
    return found


def _candidates(
    session: Session,
    queues: Mapping[int, tuple[str, Standing]],
    limits: Thresholds,
    after: int,
) -> Sequence[Any]:
    closed = [i for i, (_, standing) in queues.items() if standing.status in _CLOSED]
    waits = JOB.c.created_at < db_now(-3600 * limits.rebro_waiting_hours)
    return session.connection().execute(
        select(JOB.c.id, JOB.c.task_id, JOB.c.queue_id, JOB.c.created_at)
        .where(JOB_WAITING, JOB.c.id > after,
               or_(waits, id_in(JOB.c.queue_id, closed, session),
                   JOB.c.queue_id.not_in(select(QUEUE.c.id))))
        .order_by(JOB.c.id).limit(JOBS_A_BATCH)
    ).all()  # fmt: skip


def _waiting(session: Session, rows: Sequence[Any], names: Mapping[int, str]) -> list[Waiting]:
    moves = n_moves(session, [row.id for row in rows])
    specs = specs_of(session, {row.task_id for row in rows})
    now = database_time(session)
    return [
        Waiting(
            job_id=row.id, queue=names.get(row.queue_id, f"number {row.queue_id}"),
            waiting_seconds=(now - row.created_at).total_seconds(), n_moves=moves[row.id],
            is_pinned=specs[row.task_id].site is not None,
        )
        for row in rows
    ]  # fmt: skip


def n_moves(session: Session, job_ids: Sequence[int]) -> Counter[int]:
    """How many of the attempts before each job were closed because they waited in vain."""
    chain = (
        select(JOB.c.id.label("job"), JOB.c.retry_of.label("ancestor"), literal(0).label("depth"))
        .where(id_in(JOB.c.id, job_ids, session))
        .cte("chain", recursive=True)
    )
    older = JOB.alias("older")
    chain = chain.union_all(
        select(chain.c.job, older.c.retry_of, chain.c.depth + 1)
        .where(older.c.id == chain.c.ancestor, chain.c.depth < MOST_ANCESTORS)
    )  # fmt: skip
    rows = session.connection().execute(
        select(chain.c.job, func.count())
        .join(JOB, JOB.c.id == chain.c.ancestor)
        .where(JOB.c.server_error_code == _CODE).group_by(chain.c.job)
    )  # fmt: skip
    return Counter({row[0]: row[1] for row in rows})


def close(session: Session, reasons: Mapping[int, str], actor: str) -> int:
    """Close jobs that still wait, and give their input back; gives how many."""
    if not reasons:
        return 0
    tasks_of = dict(session.connection().execute(
        select(JOB.c.id, JOB.c.task_id).where(id_in(JOB.c.id, reasons, session))
    ).all())  # fmt: skip
    hold_tasks(session, set(tasks_of.values()))
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for job_id, reason in reasons.items():
        groups[tasks_of[job_id], reason].append(job_id)
    n_moved = 0
    for (task_id, reason), ids in groups.items():
        # A pilot may have got one meanwhile: it keeps that.
        why = Why(actor, reason)
        n_moved += send_back(session, task_id, ids, why, seen=JobStatus.ACTIVATED)
    for task_id in set(tasks_of.values()):
        roll_up(session, task_id, Why(actor))
    return n_moved
