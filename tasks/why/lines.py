"""The jobs of a task where they are: what runs, what waits behind what, who was heard from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlmodel import Session

from tasks.statuses import JobStatus
from tasks.store.bulk import id_in
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_ALIVE, JOB_WAITING
from tasks.why.findings import NEVER, RUNS, WAITS, Finding, many
from tasks.why.places import Place, jobs_before
from tasks.why.staff import QueueRow, Staff, n_too_large, pilots_in_words, queue_rows, staff_of

QUEUES_SHOWN = 5
"""Queues with most of the task's waiting jobs."""
_WITH_PILOT = (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)


def of_lines(session: Session, task_id: int) -> Finding | None:
    """How many of the task's jobs run and wait where; None if it has none."""
    rows = session.connection().execute(
        select(JOB.c.queue_id, JOB.c.status, func.count())
        .where(JOB.c.task_id == task_id, JOB_ALIVE).group_by(JOB.c.queue_id, JOB.c.status)
    ).all()  # fmt: skip
    if not rows:
        return None
    by_status: dict[str, int] = defaultdict(int)
    waiting: dict[int, int] = {}
    running: dict[int, int] = defaultdict(int)
    for queue_id, status, count in rows:
        by_status[status] += count
        if status == JobStatus.ACTIVATED:
            waiting[queue_id] = count
        elif status in _WITH_PILOT:
            running[queue_id] += count
    n_running = sum(running.values())
    parts = [f"{many(n_running, 'job')} with a pilot"] if n_running else []
    parts += [f"{sum(waiting.values())} waiting for one"] if waiting else []
    unbuilt = by_status[JobStatus.DEFINED]
    parts += [f"{unbuilt} waiting for a build"] if unbuilt else []
    unmerged = by_status[JobStatus.MERGING]
    parts += [f"{unmerged} with output to be merged"] if unmerged else []
    others = sum(by_status.values()) - n_running - sum(waiting.values()) - unbuilt - unmerged
    parts += [f"{others} reported and being settled"] if others else []
    names = queue_rows(session, waiting.keys() | running.keys())
    lines = [f"queue {names[i].name}: {n} with a pilot" for i, n in sorted(running.items())]
    too_large = n_too_large(session, task_id) if waiting else {}
    stuck = sum(too_large.values()) == sum(by_status.values())
    parts += ["no pilot there is large enough"] if stuck else []
    said = _waiting_lines(session, task_id, waiting, names, too_large)
    return Finding(
        verdict=NEVER if stuck else RUNS if n_running or others else WAITS,
        summary=", ".join(parts), details=(*lines[:QUEUES_SHOWN], *said),
    )  # fmt: skip


def _waiting_lines(
    session: Session,
    task_id: int,
    waiting: Mapping[int, int],
    names: Mapping[int, QueueRow],
    too_large: Mapping[int, int],
) -> list[str]:
    most = sorted(waiting, key=lambda i: (-waiting[i], i))[:QUEUES_SHOWN]
    ahead = jobs_before(session, _firsts(session, task_id, most))
    staff, now = staff_of(session, most), database_time(session)
    lines = []
    for queue_id in most:
        words = f"queue {names[queue_id].name}: {waiting[queue_id]} wait"
        words += f" behind {ahead[queue_id]}" if ahead[queue_id].total else ""
        said = pilots_in_words(names[queue_id], staff.get(queue_id, Staff()), now)
        n_large = too_large.get(queue_id, 0)
        said += f", none is large enough for {n_large} of them" if n_large else ""
        lines.append(f"{words}; {said}")
    rest = len(waiting) - len(most)
    return [*lines, f"and at {many(rest, 'other queue')}"] if rest else lines


def _firsts(session: Session, task_id: int, queue_ids: list[int]) -> dict[int, Place]:
    """The job of this task that goes first, by queue."""
    c = JOB.c
    turn = func.row_number().over(partition_by=c.queue_id, order_by=(c.priority.desc(), c.id))
    mine = (
        select(c.queue_id, c.share_name, c.priority, c.id, turn.label("turn"))
        .where(c.task_id == task_id, JOB_WAITING, id_in(c.queue_id, queue_ids, session))
        .subquery()
    )
    rows = session.connection().execute(select(mine).where(mine.c.turn == 1))
    return {row.queue_id: Place(row.share_name, row.priority, row.id) for row in rows}
