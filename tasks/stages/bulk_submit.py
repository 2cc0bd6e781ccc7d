"""Many tasks at once, as a workflow submits them: a few statements, however many there are.

What a task names is not looked up here: refine does that for every task, and breaks those that
name what is not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from broker.share_rules import Attributes
from culm.wire.codec import encode
from culm.wire.task_spec import TaskSpec
from tasks.statuses import TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import insert_rows, text_in
from tasks.store.ids import take_ids
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import TASK
from tasks.store.topics import Topic
from tasks.tables import StatusHistory, Task, TaskParameters
from tasks.tagging import Tags, attributes_of, tags_of

NAME_IS_FREE = tuple(str(s) for s in (TaskStatus.BROKEN, TaskStatus.ABORTED, TaskStatus.FAILED))
"""A task in one of these statuses leaves its name to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A task to be made, and its idempotency key."""

    spec: TaskSpec
    key: str


def names_taken(session: Session, names: Sequence[str], user: str) -> dict[str, int]:
    """Those of the names that a task of this user has already, with its id.

    No other transaction takes one of them for this user before this one's end.
    """
    one_at_a_time(session, f"submit/{user}")
    rows = session.connection().execute(
        select(TASK.c.name, TASK.c.id).where(
            TASK.c.user_name == user, text_in(TASK.c.name, names, session),
            TASK.c.status.not_in(NAME_IS_FREE),
        )
    )  # fmt: skip
    return {row.name: row.id for row in rows}


def submit_many(session: Session, orders: Sequence[Order], user: str) -> Sequence[int]:
    """The ids of the tasks that were made, in order. The names must be free (`names_taken`)."""
    ids = take_ids(session, "task", len(orders))
    now = database_time(session)
    tags = _Tagger(session, user)
    insert_rows(
        session, Task,
        ("id", "name", "idempotency_key", "priority", "parent_task_id", "core_count", "memory_mb",
         "disk_mb", "walltime_seconds", "max_attempts", "is_search", "share_name",
         "resource_type", "activity", "working_group"),
        [_row(task_id, order, tags(order.spec))
         for task_id, order in zip(ids, orders, strict=True)],
        now=now, same={"user_name": user, "status": str(TaskStatus.REGISTERED)},
    )  # fmt: skip
    documents = [json.dumps(encode(order.spec), sort_keys=True) for order in orders]
    insert_rows(
        session, TaskParameters, ("task_id", "document", "digest"),
        [(task_id, document, hashlib.sha256(document.encode()).hexdigest())
         for task_id, document in zip(ids, documents, strict=True)],
    )  # fmt: skip
    insert_rows(
        session, StatusHistory, ("noun", "entity_id", "event", "from_status", "to_status",
                                 "actor", "reason"),
        [("task", task_id, "submitted", "", str(TaskStatus.REGISTERED), user, "")
         for task_id in ids], now=now,
    )  # fmt: skip
    wake(session, Topic.TASK_REGISTERED, Topic.TASK_CHANGED)
    return ids


class _Tagger:
    """Tags of specifications: those that are alike are looked up once."""

    def __init__(self, session: Session, user: str) -> None:
        self._session, self._user = session, user
        self._known: dict[tuple[Attributes, int, int], Tags] = {}

    def __call__(self, spec: TaskSpec) -> Tags:
        key = (attributes_of(spec, self._user), spec.core_count, spec.memory_mb)
        if key not in self._known:
            self._known[key] = tags_of(self._session, spec, self._user)
        return self._known[key]


def _row(task_id: int, order: Order, tags: Tags) -> tuple[object, ...]:
    spec = order.spec
    return (
        task_id, spec.name, order.key, spec.priority, spec.parent_task_id, spec.core_count,
        spec.memory_mb, spec.disk_mb, spec.walltime_seconds, spec.max_attempts,
        spec.search is not None, tags.share_name, tags.resource_type, tags.activity,
        tags.working_group,
    )  # fmt: skip
