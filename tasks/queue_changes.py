"""What an operator changes about queues: site, settings, status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import case, insert, select, update
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.core.nearest import unknown_name
from tasks.queues import queue_settings
from tasks.statuses import QueueStatus
from tasks.store.books import wake
from tasks.store.tables import ENDPOINT, QUEUE, QUEUE_STORAGE, SITE, TASK
from tasks.store.topics import Topic
from tasks.tables.columns import db_now


def set_queue(session: Session, name: str, site: str, settings: Mapping[str, Any]) -> bool:
    """Write a queue's site and settings; True if the queue is new.

    A new queue is online and uses the first storage endpoint.

    Raises:
        InvalidRequest: a setting is unknown or wrong, each named.
    """
    queue_settings(settings, name)
    run = session.connection().execute
    values = {"site_id": _site_id(session, site), "settings": dict(settings)}
    changed = run(update(QUEUE).where(QUEUE.c.name == name).values(**values)).rowcount
    if not changed:
        made = run(insert(QUEUE).values(name=name, status=str(QueueStatus.ONLINE), **values))
        endpoint = run(select(ENDPOINT.c.id).order_by(ENDPOINT.c.id).limit(1)).scalar()
        if endpoint is not None:
            queue_id = made.inserted_primary_key[0]  # type: ignore[index]
            run(insert(QUEUE_STORAGE).values(queue_id=queue_id, endpoint_id=endpoint))
    look_again(session)
    return not changed


def set_queue_status(session: Session, name: str, status: QueueStatus) -> None:
    """Put a queue online, offline, …

    Raises:
        NotFound: there is no queue of this name.
    """
    run = session.connection().execute
    changed = run(
        update(QUEUE).where(QUEUE.c.name == name)
        .values(status=str(status), status_changed_at=case(
            (QUEUE.c.status == str(status), QUEUE.c.status_changed_at), else_=db_now()))
    )  # fmt: skip
    if not changed.rowcount:
        known = run(select(QUEUE.c.name)).scalars()
        raise NotFound(f"queue {name}: {unknown_name(name, known)}")
    look_again(session)


def _site_id(session: Session, name: str) -> int:
    run = session.connection().execute
    found = run(select(SITE.c.id).where(SITE.c.name == name)).scalar()
    if found is None:
        found = run(insert(SITE).values(name=name)).inserted_primary_key[0]  # type: ignore[index]
    return int(found)


def look_again(session: Session) -> None:
    """Tasks that no queue took are looked at now, and pilots that wait ask again."""
    session.connection().execute(
        update(TASK).where(TASK.c.next_look_at > db_now()).values(next_look_at=db_now())
    )
    wake(session, Topic.TASK_READY, Topic.JOB_ACTIVATED)
