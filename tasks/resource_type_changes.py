"""What an operator changes about resource types; living tasks and jobs are counted anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session

from broker.resource_types import resource_type_of
from culm.core.errors import Conflict, NotFound
from culm.core.nearest import unknown_name
from culm.wire.resource_types import NewResourceType, ResourceTypeList, ResourceTypeView
from tasks.store.books import wake
from tasks.store.locks import one_at_a_time
from tasks.store.shares import resource_types
from tasks.store.tables import JOB, JOB_ALIVE, RESOURCE_TYPE, SHARE_STATISTICS, TASK
from tasks.store.topics import Topic
from tasks.tagging import SHARES_LOCK

_C = RESOURCE_TYPE.c


def add_type(session: Session, wanted: NewResourceType) -> ResourceTypeView:
    """The new type.

    Raises:
        InvalidRequest: its bounds do not fit together.
        Conflict: there is one of this name.
    """
    wanted.check()
    one_at_a_time(session, SHARES_LOCK)
    if wanted.name in _names(session):
        raise Conflict(f"resource type {wanted.name} is there already",
                       hint=f"culm resource-type set {wanted.name} NAME=VALUE")  # fmt: skip
    session.connection().execute(insert(RESOURCE_TYPE).values(**asdict(wanted)))
    _count_anew(session)
    return show_type(session, wanted.name)


def set_type(session: Session, name: str, wanted: NewResourceType) -> ResourceTypeView:
    """The type after it was written anew, perhaps under another name.

    Raises:
        InvalidRequest: its bounds do not fit together.
        NotFound: there is no such type; the nearest is named.
        Conflict: the new name is another's.
    """
    wanted.check()
    one_at_a_time(session, SHARES_LOCK)
    show_type(session, name)
    if wanted.name != name and wanted.name in _names(session):
        raise Conflict(f"resource type {wanted.name} is there already")
    session.connection().execute(
        update(RESOURCE_TYPE).where(_C.name == name).values(**asdict(wanted))
    )
    _count_anew(session)
    return show_type(session, wanted.name)


def remove_type(session: Session, name: str) -> ResourceTypeView:
    """The type that was there; what was of it is of another now, or of none.

    Raises:
        NotFound: there is no such type; the nearest is named.
        Conflict: it is the last one.
    """
    one_at_a_time(session, SHARES_LOCK)
    gone = show_type(session, name)
    if len(_names(session)) == 1:
        raise Conflict(f"resource type {name} is the last one: without any, all jobs are alike",
                       hint="add another first: culm resource-type add")  # fmt: skip
    session.connection().execute(delete(RESOURCE_TYPE).where(_C.name == name))
    _count_anew(session)
    return gone


def list_types(session: Session) -> ResourceTypeList:
    """All types in order of their names."""
    s = SHARE_STATISTICS.c
    counts = {
        row[0]: (int(row[1]), int(row[2]))
        for row in session.connection().execute(
            select(s.resource_type, func.sum(s.n_queued), func.sum(s.n_running))
            .group_by(s.resource_type)
        )
    }  # fmt: skip
    rows = session.connection().execute(select(RESOURCE_TYPE).order_by(_C.name)).mappings()
    return ResourceTypeList(types=tuple(_view(dict(row), counts) for row in rows))


def show_type(session: Session, name: str) -> ResourceTypeView:
    """One type.

    Raises:
        NotFound: there is no such type; the nearest is named.
    """
    types = {each.name: each for each in list_types(session).types}
    if name not in types:
        raise NotFound(f"resource type {name}: {unknown_name(name, types)}",
                       hint="culm resource-type list")  # fmt: skip
    return types[name]


def _view(row: dict[str, Any], counts: dict[str, tuple[int, int]]) -> ResourceTypeView:
    n_queued, n_running = counts.get(row["name"], (0, 0))
    return ResourceTypeView(**row, n_queued=n_queued, n_running=n_running)


def _names(session: Session) -> list[str]:
    return list(session.connection().execute(select(_C.name)).scalars())


def _count_anew(session: Session) -> None:
    """Give all tasks the types that hold now (ended ones may be retried), and their jobs.

    One statement for each kind of need that is another now: few, however many tasks there are.
    """
    run, types = session.connection().execute, resource_types(session)
    needs = (TASK.c.core_count, TASK.c.memory_mb, TASK.c.resource_type)
    changed = False
    for core_count, memory_mb, before in run(select(*needs).distinct()).all():
        now = resource_type_of(types, core_count, memory_mb)
        if now == before:
            continue
        changed = True
        alike = (TASK.c.core_count == core_count, TASK.c.memory_mb == memory_mb)
        run(update(TASK).where(*alike).values(resource_type=now))
        run(update(JOB).where(JOB_ALIVE, JOB.c.task_id.in_(select(TASK.c.id).where(*alike)))
            .values(resource_type=now))  # fmt: skip
    if changed:
        wake(session, Topic.TASK_READY)
