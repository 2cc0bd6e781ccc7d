"""Assign: choose where a task's output is gathered, and open its output datasets there."""

from __future__ import annotations

from sqlalchemy import select, update

from broker.storage import Place, choose
from culm.core.errors import NotAllowed
from tasks.catalog.own import add_dataset
from tasks.lifecycles import DatasetEvent, TaskEvent
from tasks.specs import spec_of
from tasks.stages.select import in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import DatasetKind, QueueStatus, TaskStatus
from tasks.store.moves import Why, move_datasets, move_tasks
from tasks.store.tables import DATASET, ENDPOINT, QUEUE, QUEUE_STORAGE, SITE
from tasks.store.tables import TASK as TASK_TABLE
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now

LOOK_AGAIN_SECONDS = 60.0
OUTPUTS = (str(DatasetKind.OUTPUT), str(DatasetKind.LOG))


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    spec = spec_of(act.session, act.task_id)
    place = choose(_places(act), spec.site) if task.endpoint_id is None else None
    if task.endpoint_id is None and place is None:
        reason = "no storage is reachable from any online queue"
        # Feed brings it here again: a pending task that has no time to be looked at has no end.
        why, later = Why(act.actor, reason), db_now(LOOK_AGAIN_SECONDS)
        move_tasks(act.session, [task.id], TaskEvent.HINDERED, why, feed_at=later)
        return Outcome(task.id, reason)
    if place is not None:
        act.session.connection().execute(
            update(TASK_TABLE).where(TASK_TABLE.c.id == task.id).values(endpoint_id=place.id)
        )
    rows = act.session.connection().execute(
        select(DATASET.c.id, DATASET.c.name)
        .where(DATASET.c.task_id == task.id, DATASET.c.kind.in_(OUTPUTS))
    ).all()  # fmt: skip
    try:
        for row in rows:
            add_dataset(act.session, row.name, task.user_name, task.id)
    except NotAllowed as error:
        move_tasks(act.session, [task.id], TaskEvent.FOUND_HOPELESS, Why(act.actor, str(error)))
        return Outcome(task.id, str(error))
    move_datasets(act.session, [row.id for row in rows], DatasetEvent.DESTINATION_CHOSEN)
    move_tasks(act.session, [task.id], TaskEvent.DESTINATION_CHOSEN, Why(act.actor))
    return Outcome(task.id, f"output goes to {place.name if place else 'where it went before'}")


def _places(act: Act) -> list[Place]:
    rows = act.session.connection().execute(
        select(ENDPOINT.c.id, ENDPOINT.c.name, QUEUE.c.name, SITE.c.name, QUEUE.c.status)
        .join(QUEUE_STORAGE, QUEUE_STORAGE.c.endpoint_id == ENDPOINT.c.id)
        .join(QUEUE, QUEUE.c.id == QUEUE_STORAGE.c.queue_id)
        .join(SITE, SITE.c.id == QUEUE.c.site_id)
        .where(QUEUE_STORAGE.c.writes, ~ENDPOINT.c.is_blacklisted, ~ENDPOINT.c.is_tape)
    )
    return [
        Place(
            id=row[0], name=row[1], queue=row[2], site=row[3], online=row[4] == QueueStatus.ONLINE
        )
        for row in rows
    ]


STAGE = Stage(
    name="assign",
    topics=(Topic.TASK_ASSIGNING,),
    candidates=tasks_where(in_status(TaskStatus.ASSIGNING)),
    act=_act,
)
