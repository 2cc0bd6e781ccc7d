"""The queue filler: empty queues get tasks pre-assigned, until they are empty no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlmodel import Session

from broker.filling import Fillable, Filling, has_enough, pre_assign
from tasks.specs import specs_of
from tasks.stages.locality import queues_with_input
from tasks.stages.queue_load import queue_states
from tasks.stages.rank_queues import rank_queues
from tasks.statuses import PilotStatus, TaskStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.tables import DATASET, PILOT, PREASSIGNMENT, QUEUE, TASK, TASK_ALIVE
from tasks.store.topics import Topic
from tasks.tables import Task

TASKS_LOOKED_AT = 200
"""Those of the highest priorities are enough to fill what is empty."""
_FILLING = [str(s) for s in (TaskStatus.READY, TaskStatus.RUNNING, TaskStatus.PENDING)]


def queue_filler(books: Books) -> str:
    """Release the tasks of queues that are filled, and pre-assign others to empty ones."""
    with books.write() as session:
        released = _release(session)
        empty = _empty_queues(session)
        chosen = _choose(session, empty) if empty else {}
        now = database_time(session)
        rows = [{"task_id": i, "queue_id": empty[queue], "at": now} for i, queue in chosen.items()]
        if rows:
            session.connection().execute(insert(PREASSIGNMENT), rows)
        if rows or released:
            wake(session, Topic.TASK_READY)
    said = [f"{len(rows)} tasks pre-assigned" * bool(rows), f"{released} released" * bool(released)]
    return ", ".join(filter(None, said))


def _empty_queues(session: Session) -> dict[str, int]:
    """Queues where pilots find nothing to run, with their ids."""
    manned = select(PILOT.c.queue_id).where(PILOT.c.status == str(PilotStatus.ACTIVE))
    rows = session.connection().execute(
        select(QUEUE.c.name, QUEUE.c.id).where(QUEUE.c.id.in_(manned))
    )
    states = queue_states(session)
    return {row.name: row.id for row in rows if _is_empty(states[row.name])}


def _is_empty(state: Any) -> bool:
    return bool(state.status == "online" and not state.n_queued and not state.n_running)


def _release(session: Session) -> int:
    """Let go of tasks whose queue has work or takes none, or that have ended."""
    rows = session.connection().execute(select(QUEUE.c.id, QUEUE.c.name))
    states = queue_states(session)
    filled = [row.id for row in rows if not _is_empty(states[row.name])]
    living = select(TASK.c.id).where(TASK_ALIVE)
    return session.connection().execute(
        delete(PREASSIGNMENT).where(
            id_in(PREASSIGNMENT.c.queue_id, filled, session)
            | PREASSIGNMENT.c.task_id.not_in(living)
            | PREASSIGNMENT.c.queue_id.not_in(select(QUEUE.c.id))
        )
    ).rowcount  # fmt: skip


def _choose(session: Session, empty: Mapping[str, int]) -> dict[int, str]:
    tasks = _tasks(session)
    now = values(session)
    limits = {t.activity: now.of(Filling, activity=t.activity) for t, _, _ in tasks}
    near = queues_with_input(session)
    fillable = [
        _fillable(task, ready, remaining, near.get(task.id, frozenset()))
        for task, ready, remaining in tasks
    ]
    worth = [f for f in fillable if f.queues & empty.keys() and has_enough(f, limits[f.activity])]
    by_id = {task.id: task for task, _, _ in tasks}
    taken = [_where_taken(session, f, by_id[f.task_id]) for f in worth]
    return pre_assign(taken, empty, limits, _present(session))


def _tasks(session: Session) -> Sequence[tuple[Task, int, int]]:
    """Tasks with (ready, not finished) primary files, the highest priority first."""
    present = select(PREASSIGNMENT.c.task_id)
    ready = func.sum(DATASET.c.n_files - DATASET.c.n_files_used)
    remaining = func.sum(DATASET.c.n_files - DATASET.c.n_files_finished - DATASET.c.n_files_failed)
    rows = session.connection().execute(
        select(TASK.c.id, ready, remaining)
        .join(DATASET, (DATASET.c.task_id == TASK.c.id) & DATASET.c.is_primary)
        .where(TASK.c.status.in_(_FILLING), TASK.c.id.not_in(present))
        .group_by(TASK.c.id, TASK.c.priority).having(ready > 0)
        .order_by(TASK.c.priority.desc(), TASK.c.id).limit(TASKS_LOOKED_AT)
    ).all()  # fmt: skip
    return [(session.get_one(Task, i), int(ready), int(left)) for i, ready, left in rows]


def _fillable(task: Task, ready: int, remaining: int, queues: frozenset[str]) -> Fillable:
    return Fillable(
        task_id=task.id, priority=task.priority, activity=task.activity,
        resource_type=task.resource_type, n_files_ready=ready, n_files_remaining=remaining,
        queues=queues,
    )  # fmt: skip


def _where_taken(session: Session, fillable: Fillable, task: Task) -> Fillable:
    """The same without the queues that brokerage refuses for this task."""
    ranking = rank_queues(session, task, specs_of(session, [task.id])[task.id]).ranking
    refused = {rejection.queue for rejection in ranking.rejections}
    return _fillable(
        task, fillable.n_files_ready, fillable.n_files_remaining, fillable.queues - refused
    )


def _present(session: Session) -> Counter[tuple[str, str, str]]:
    rows = session.connection().execute(
        select(QUEUE.c.name, TASK.c.activity, TASK.c.resource_type, func.count())
        .join(PREASSIGNMENT, PREASSIGNMENT.c.queue_id == QUEUE.c.id)
        .join(TASK, TASK.c.id == PREASSIGNMENT.c.task_id)
        .group_by(QUEUE.c.name, TASK.c.activity, TASK.c.resource_type)
    )  # fmt: skip
    return Counter({(row[0], row[1], row[2]): row[3] for row in rows})
