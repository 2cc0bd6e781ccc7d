"""Fast rebrokerage: the queued jobs of a share leave a queue where too many of them wait.

Off until a share has a threshold of its own: culm set FAST_REBRO_THRESHOLD_NQUEUE_<share> 100
(spec/lifecycle.md, Job; documentation, 12.1.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from broker.rebrokerage import Crowd, ShareAt, crowds
from broker.thresholds import Thresholds
from tasks.queues import queue_settings
from tasks.stages.ending import roll_up
from tasks.stages.unstarted import send_back
from tasks.statuses import JobStatus, QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import values
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why
from tasks.store.tables import JOB, JOB_WAITING, QUEUE, SHARE_STATISTICS

JOBS_A_BATCH = 1000
_ACTOR = "fast_rebrokerage"


def fast_rebrokerage(books: Books) -> str:
    """Send back the jobs of every crowd, as the shares were last counted, if there is another
    queue. Gives a line if there was something to tell.
    """
    with books.read() as session:
        found = crowds(_counts(session), values(session).of(Thresholds))
        if not found or not _has_other_queues(session):
            return ""
    n_back = sum(_clear(books, crowd) for crowd in found)
    return f"{n_back} jobs back to brokerage from {len(found)} crowds" if n_back else ""


def _counts(session: Session) -> list[ShareAt]:
    """Jobs of each share at each queue, as counted last; queues that give up none left out."""
    c, run = SHARE_STATISTICS.c, session.connection().execute
    queues = run(select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.settings)).all()
    settings = {row.id: (row.name, queue_settings(row.settings, row.name)) for row in queues}
    rows = run(
        select(c.share_name, c.queue_id, func.sum(c.n_queued), func.sum(c.n_running))
        .group_by(c.share_name, c.queue_id)
    )  # fmt: skip
    return [
        ShareAt(share=share, queue=settings[i][0], n_queued=int(queued), n_running=int(running),
                declares_slots=settings[i][1].n_slots is not None)
        for share, i, queued, running in rows
        if i in settings and not settings[i][1].disable_reassign
    ]  # fmt: skip


def _has_other_queues(session: Session) -> bool:
    online = QUEUE.c.status == str(QueueStatus.ONLINE)
    return int(session.connection().execute(
        select(func.count()).select_from(QUEUE).where(online)
    ).scalar_one()) > 1  # fmt: skip


def _clear(books: Books, crowd: Crowd) -> int:
    """Send back what waited when this began, batch by batch; new jobs may come meanwhile."""
    n_back = after = 0
    why = Why(_ACTOR, crowd.reason)
    while True:
        with books.write() as session:
            rows = _waiting(session, crowd, after)
            by_task: dict[int, list[int]] = defaultdict(list)
            for job_id, task_id in rows:
                by_task[task_id].append(job_id)
            hold_tasks(session, by_task)
            for task_id, ids in by_task.items():
                n_back += send_back(session, task_id, ids, why, seen=JobStatus.ACTIVATED)
                roll_up(session, task_id, why)
        if len(rows) < JOBS_A_BATCH:
            return n_back
        after = rows[-1].id


def _waiting(session: Session, crowd: Crowd, after: int) -> Sequence[Any]:
    return session.connection().execute(
        select(JOB.c.id, JOB.c.task_id)
        .join(QUEUE, QUEUE.c.id == JOB.c.queue_id)
        .where(JOB_WAITING, QUEUE.c.name == crowd.queue, JOB.c.share_name == crowd.share,
               JOB.c.id > after)
        .order_by(JOB.c.id).limit(JOBS_A_BATCH)
    ).all()  # fmt: skip
