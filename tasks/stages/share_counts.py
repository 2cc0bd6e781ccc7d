"""What each share has, counted in bulk: by share, resource type and queue, in jobs and HS06."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from sqlalchemy import bindparam, case, delete, func, select, text
from sqlmodel import Session

from tasks.queues import QueueSettings, queue_settings
from tasks.statuses import JobStatus
from tasks.store.books import Books
from tasks.store.bulk import insert_rows
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_LEASED, JOB_WAITING, QUEUE, SHARE_STATISTICS
from tasks.tables import ShareStatistics, Task
from tasks.tables.columns import UtcDateTime

_WITH_PILOT = [str(s) for s in (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)]
_KEY = (JOB.c.share_name, JOB.c.resource_type, JOB.c.queue_id)
_RUNS = JOB.c.status.in_(_WITH_PILOT)
_QUEUED = select(*_KEY, func.count(), func.sum(JOB.c.core_count)).where(JOB_WAITING).group_by(*_KEY)
_RUNNING = (
    select(*_KEY, func.sum(case((_RUNS, 1), else_=0)),
           func.sum(case((_RUNS, JOB.c.core_count), else_=0)))
    .where(JOB_LEASED).group_by(*_KEY)
)  # fmt: skip
_COLUMNS = (
    "share_name", "resource_type", "queue_id", "n_queued", "n_running", "queued_hs06", "used_hs06",
)  # fmt: skip


def count_shares(books: Books) -> str:
    """Count the jobs of all shares anew; a daemon flow calls it every minute.

    The counting itself only reads: nobody waits for it, however many jobs there are.
    """
    with books.read() as session:
        rows = _counted(session)
    with books.write() as session:
        session.connection().execute(delete(SHARE_STATISTICS))
        insert_rows(session, ShareStatistics, _COLUMNS, rows, now=database_time(session))
    n_queued, n_running = sum(row[3] for row in rows), sum(row[4] for row in rows)
    return f"{n_queued} jobs queued, {n_running} running" if rows else ""


def _counted(session: Session) -> list[tuple[str, str, int, int, int, float, float]]:
    found: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for place, statement in enumerate((_QUEUED, _RUNNING)):
        for share, kind, queue_id, n_jobs, n_cores in session.connection().execute(statement):
            found[share, kind, queue_id][place] = int(n_jobs)
            found[share, kind, queue_id][place + 2] = int(n_cores)
    power = core_power(session)
    return [
        (*key, queued, running, queued_cores * power[key[2]], running_cores * power[key[2]])
        for key, (queued, running, queued_cores, running_cores) in found.items()
    ]


def core_power(session: Session) -> Mapping[int, float]:
    """The HS06 of a core at each queue, by the queue's id; the usual one where a queue is gone."""
    rows = session.connection().execute(select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.settings))
    known = {row.id: queue_settings(row.settings, row.name).core_power for row in rows}
    return defaultdict(lambda: QueueSettings().core_power, known)


_ADD = text(
    "INSERT INTO share_statistics (share_name, resource_type, queue_id, n_queued, n_running, "
    "queued_hs06, used_hs06, at) VALUES (:share, :kind, :queue_id, :n, 0, :hs06, 0, :now) "
    "ON CONFLICT (share_name, resource_type, queue_id) DO UPDATE SET "
    "n_queued = share_statistics.n_queued + excluded.n_queued, "
    "queued_hs06 = share_statistics.queued_hs06 + excluded.queued_hs06"
).bindparams(bindparam("now", type_=UtcDateTime))


def note_generated(session: Session, task: Task, by_queue: Counter[int]) -> None:
    """Add the new jobs of a task to what its share has queued, until the next count."""
    power, now = core_power(session), database_time(session)
    rows = [
        {"share": task.share_name, "kind": task.resource_type, "queue_id": queue_id, "n": n_jobs,
         "hs06": n_jobs * task.core_count * power[queue_id], "now": now}
        for queue_id, n_jobs in sorted(by_queue.items())
    ]  # fmt: skip
    session.connection().execute(_ADD, rows)
