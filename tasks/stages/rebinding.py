"""Rebinding: what was bound just in time and did not start goes where a slot is free.

The rule is rebrokerage's (`broker.rebrokerage`): three moves at most, nothing that is pinned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from broker.rebrokerage import Standing, Waiting, rebroker
from broker.thresholds import Thresholds
from tasks.specs import specs_of
from tasks.stages.rank_queues import Brokered, rank_queues
from tasks.stages.rebrokerage import close, n_moves, standings
from tasks.store.books import Books
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_WAITING, TASK
from tasks.tables import Task
from tasks.tables.columns import db_now

TASKS_A_RUN = 100
"""Tasks that are looked at in a run, the highest priority first."""
JOBS_A_TASK = 1000
"""The most jobs of a task that one run moves."""


def rebind_waiting(books: Books) -> str:
    """Take back what waits for too long while another queue has a free slot for it.

    What is to move is worked out by reading alone: nobody waits for that.
    """
    with books.read() as session:
        reasons = _moves(session)
    if not reasons:
        return ""
    with books.write() as session:
        waiting = session.connection().execute(
            select(JOB.c.id).where(JOB_WAITING, id_in(JOB.c.id, reasons, session))
        )
        n_moved = close(session, {i: reasons[i] for i in waiting.scalars()}, "rebind")
    return f"{n_moved} jobs back to where a slot is free" if n_moved else ""


def _moves(session: Session) -> dict[int, str]:
    """Jobs to be moved, and why."""
    limits, by_id = values(session).of(Thresholds), standings(session)
    queues, names = dict(by_id.values()), {i: name for i, (name, _) in by_id.items()}
    taken: Counter[str] = Counter()
    reasons: dict[int, str] = {}
    for task_id in _tasks(session, limits):
        waiting = _waiting(session, task_id, names, queues, taken)
        reasons |= {m.job_id: m.reason for m in rebroker(waiting, queues, limits)}
    return reasons


def _tasks(session: Session, limits: Thresholds) -> list[int]:
    """Tasks whose jobs wait for too long somewhere."""
    rows = session.connection().execute(
        select(TASK.c.id)
        .join(JOB, JOB.c.task_id == TASK.c.id)
        .where(JOB_WAITING, JOB.c.created_at < db_now(-limits.rebind_seconds))
        .group_by(TASK.c.id, TASK.c.priority)
        .order_by(TASK.c.priority.desc(), TASK.c.id).limit(TASKS_A_RUN)
    )  # fmt: skip
    return list(rows.scalars())


def _waiting(
    session: Session,
    task_id: int,
    names: Mapping[int, str],
    queues: Mapping[str, Standing],
    taken: Counter[str],
) -> list[Waiting]:
    """The task's jobs for which another queue has a free slot, the last in the line first;
    these slots are taken then.
    """
    task, spec = session.get_one(Task, task_id), specs_of(session, [task_id])[task_id]
    if spec.site is not None:
        return []
    free = _free(rank_queues(session, task, spec), taken)
    found, now = [], database_time(session)
    rows = _rows(session, task_id, sum(free.values()))
    moves = n_moves(session, [row.id for row in rows])
    for row in rows:
        here = names.get(row.queue_id, "")
        elsewhere = next((name for name, count in free.items() if count > 0 and name != here), "")
        if not elsewhere or here not in queues or queues[here].keeps_jobs:
            continue
        free[elsewhere] -= 1
        taken[elsewhere] += 1
        seconds = (now - row.created_at).total_seconds()
        found.append(Waiting(job_id=row.id, queue=here, waiting_seconds=seconds,
                             n_moves=moves[row.id], free_at=elsewhere))  # fmt: skip
    return found


def _free(brokered: Brokered, taken: Counter[str]) -> dict[str, int]:
    """Free slots at the queues that take the task's jobs, the best first."""
    berths = brokered.berths
    if berths is None:
        return {}
    return {
        r.queue: max(0, min(berths[r.queue].places, berths[r.queue].room.free) - taken[r.queue])
        for r in brokered.ranking.ranked
    }


def _rows(session: Session, task_id: int, most: int) -> Sequence[Any]:
    if not most:
        return []
    old = JOB.c.created_at < db_now(-values(session).of(Thresholds).rebind_seconds)
    return session.connection().execute(
        select(JOB.c.id, JOB.c.queue_id, JOB.c.created_at)
        .where(JOB_WAITING, JOB.c.task_id == task_id, old)
        .order_by(JOB.c.priority, JOB.c.id.desc()).limit(min(most, JOBS_A_TASK))
    ).all()  # fmt: skip
