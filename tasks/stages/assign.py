"""Assign: choose where a task's output is gathered, and open its output datasets there."""

from __future__ import annotations

from sqlalchemy import select, update

from culm.core.errors import NotAllowed
from tasks.catalog.own import add_dataset
from tasks.lifecycles import DatasetEvent, TaskEvent
from tasks.specs import spec_of
from tasks.stages.destination import destination_of
from tasks.stages.locality import note_locality
from tasks.stages.select import in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.moves import Why, move_datasets, move_tasks
from tasks.store.tables import DATASET
from tasks.store.tables import TASK as TASK_TABLE
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now

LOOK_AGAIN_SECONDS = 60.0
OUTPUTS = (str(DatasetKind.OUTPUT), str(DatasetKind.LOG))


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    spec = spec_of(act.session, act.task_id)
    if spec.inputs:
        note_locality(act.session, task.id)
    place = destination_of(act.session, task, spec)
    if place.endpoint_id is None:
        # Feed brings it here again: a pending task that has no time to be looked at has no end.
        why, later = Why(act.actor, place.words), db_now(LOOK_AGAIN_SECONDS)
        move_tasks(act.session, [task.id], TaskEvent.HINDERED, why, feed_at=later)
        return Outcome(task.id, place.words)
    act.session.connection().execute(
        update(TASK_TABLE).where(TASK_TABLE.c.id == task.id).values(endpoint_id=place.endpoint_id)
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
    why = Why(act.actor, place.words)
    move_tasks(act.session, [task.id], TaskEvent.DESTINATION_CHOSEN, why)
    return Outcome(task.id, place.words)


STAGE = Stage(
    name="assign",
    topics=(Topic.TASK_ASSIGNING,),
    candidates=tasks_where(in_status(TaskStatus.ASSIGNING)),
    act=_act,
)
