"""What happened: moves of statuses, and the latest brokerage of a task."""

from __future__ import annotations

from sqlmodel import Session, col, select

from culm.core.errors import NotFound
from culm.wire import views
from tasks.tables import Decision, StatusHistory
from tasks.views.shown import moment

MOST_ENTRIES = 10_000


def history(session: Session, noun: str, entity_id: int) -> views.History:
    """The moves of a task's or a job's status, oldest first."""
    query = (
        select(StatusHistory)
        .where(StatusHistory.noun == noun, StatusHistory.entity_id == entity_id)
        .order_by(col(StatusHistory.id))
        .limit(MOST_ENTRIES)
    )
    return views.History(entries=tuple(_entry(row) for row in session.exec(query)))


def decision(session: Session, task_id: int) -> views.Decision:
    """The latest brokerage of a task.

    Raises:
        NotFound: the task was not brokered yet.
    """
    row = session.get(Decision, task_id)
    if row is None:
        raise NotFound(f"task {task_id} was not brokered yet")
    return views.Decision(
        task_id=row.task_id,
        at=moment(row.at),
        cycle=row.cycle,
        ranking=tuple(row.ranking),
        rejections=tuple(row.rejections),
    )


def _entry(row: StatusHistory) -> views.HistoryEntry:
    return views.HistoryEntry(
        at=moment(row.at),
        event=row.event,
        from_status=row.from_status,
        to_status=row.to_status,
        actor=row.actor,
        reason=row.reason,
    )
