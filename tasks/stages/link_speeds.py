"""How fast the links between sites are, as pilots found them: input on its way in, output out.

A job tells how many MB its input and its output were, and how long that took. Input counts where
all of it was at one site, for which of several copies was read is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Select, bindparam, func, insert, select, update
from sqlmodel import Session

from tasks.queues import queue_settings
from tasks.speeds import WINDOWS, Moved, blended
from tasks.statuses import DatasetKind, JobStatus
from tasks.store.locks import one_at_a_time
from tasks.store.tables import (
    ENDPOINT,
    FILE,
    HISTORY,
    JOB,
    JOB_FILE,
    LINK,
    METADATA,
    QUEUE,
    REPLICA,
    TASK,
)

LEAST_MB = 10.0
"""Of less, the time says when a copy began and what a sandbox took, not how fast a link is."""

Link = tuple[int, int]
"""The sites, by id: from which and to which."""


def moved_over_links(session: Session, after_id: int, last_id: int) -> dict[Link, Moved]:
    """What jobs that finished with these moves of the history brought over links, in bulk."""
    ended = _ended(after_id, last_id)
    found: dict[Link, Moved] = {}
    for statement in (_arrived(ended, _reading_in_place(session)), _sent(ended)):
        for source, destination, mb, seconds in session.connection().execute(statement):
            link = source, destination
            found[link] = found.get(link, Moved()) + Moved(float(mb), float(seconds))
    return found


def note_speeds(session: Session, moved: Mapping[Link, Moved], now: datetime) -> None:
    """Let links know how fast they were; those that no document names become known."""
    if not moved:
        return
    # A document that is written at this moment is as fresh: one of both comes first.
    one_at_a_time(session, "grid")
    run = session.connection().execute
    known = {(row.source_id, row.destination_id): row for row in run(select(LINK))}
    rows = [
        {"s": link[0], "d": link[1], "at": now} | _speeds(known.get(link), each, now)
        for link, each in moved.items()
    ]  # fmt: skip
    old = [row for row in rows if (row["s"], row["d"]) in known]
    new = [row for row in rows if (row["s"], row["d"]) not in known]
    if old:
        run(_UPDATE, old)
    if new:
        run(insert(LINK), [{"source_id": r.pop("s"), "destination_id": r.pop("d"), **r}
                           for r in new])  # fmt: skip


def _speeds(row: Any, moved: Moved, now: datetime) -> dict[str, float]:
    age_seconds = 0.0 if row is None else (now - row.at).total_seconds()
    return {
        name: blended(getattr(row, name, None), moved.mb_per_second, age_seconds, window)
        for name, window in WINDOWS.items()
    }


_UPDATE = (
    update(LINK).where(LINK.c.source_id == bindparam("s"), LINK.c.destination_id == bindparam("d"))
    .values({name: bindparam(name) for name in (*WINDOWS, "at")})
)  # fmt: skip


def _metric(name: str) -> Any:
    return METADATA.c.metrics[name].as_float().label(name)


def _ended(after_id: int, last_id: int) -> CTE:
    return (
        select(JOB.c.id, JOB.c.task_id, JOB.c.queue_id, QUEUE.c.site_id,
               *map(_metric, ("input_mb", "stage_in_seconds", "output_mb", "stage_out_seconds")))
        .join(JOB, JOB.c.id == HISTORY.c.entity_id)
        .join(QUEUE, QUEUE.c.id == JOB.c.queue_id)
        .join(METADATA, METADATA.c.job_id == JOB.c.id)
        .where(HISTORY.c.id > after_id, HISTORY.c.id <= last_id, HISTORY.c.noun == "job",
               HISTORY.c.to_status == str(JobStatus.FINISHED))
        .cte("ended")
    )  # fmt: skip


def _arrived(ended: CTE, in_place: list[int]) -> Select[Any]:
    origin = (
        select(ended.c.id, func.min(ENDPOINT.c.site_id).label("site_id"))
        .join(JOB_FILE, JOB_FILE.c.job_id == ended.c.id)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .join(REPLICA, REPLICA.c.catalog_file_id == FILE.c.catalog_file_id)
        .join(ENDPOINT, ENDPOINT.c.id == REPLICA.c.endpoint_id)
        .where(JOB_FILE.c.kind == str(DatasetKind.INPUT), ended.c.input_mb >= LEAST_MB,
               ended.c.stage_in_seconds > 0, ended.c.queue_id.not_in(in_place))
        .group_by(ended.c.id)
        .having(func.min(ENDPOINT.c.site_id) == func.max(ENDPOINT.c.site_id))
        .subquery()
    )  # fmt: skip
    return (
        select(origin.c.site_id, ended.c.site_id, func.sum(ended.c.input_mb),
               func.sum(ended.c.stage_in_seconds))
        .join(ended, ended.c.id == origin.c.id).where(origin.c.site_id != ended.c.site_id)
        .group_by(origin.c.site_id, ended.c.site_id)
    )  # fmt: skip


def _sent(ended: CTE) -> Select[Any]:
    return (
        select(ended.c.site_id, ENDPOINT.c.site_id, func.sum(ended.c.output_mb),
               func.sum(ended.c.stage_out_seconds))
        .join(TASK, TASK.c.id == ended.c.task_id)
        .join(ENDPOINT, ENDPOINT.c.id == TASK.c.endpoint_id)
        .where(ended.c.output_mb >= LEAST_MB, ended.c.stage_out_seconds > 0,
               ENDPOINT.c.site_id != ended.c.site_id)
        .group_by(ended.c.site_id, ENDPOINT.c.site_id)
    )  # fmt: skip


def _reading_in_place(session: Session) -> list[int]:
    """Queues whose jobs may read input where it is: it takes them no time, and says nothing."""
    rows = session.connection().execute(select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.settings))
    return [row.id for row in rows if queue_settings(row.settings, row.name).direct_access]
