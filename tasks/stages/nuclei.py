"""Rows → what task brokerage reads: the nuclei as they are now, and what is to be gathered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from broker.nucleus import Gathering, Nucleus
from broker.values import Demand
from culm.wire.task_spec import TaskSpec
from tasks.downtimes import Downtime
from tasks.statuses import QueueStatus
from tasks.store.moves import database_time
from tasks.store.tables import (
    DATASET,
    ENDPOINT,
    LINK,
    QUEUE,
    SCOUTING,
    SITE,
    TASK,
    TASK_ALIVE,
)
from tasks.tables import Task

GB_A_TB = 1000.0
MB_A_GB = 1000.0
SECONDS_A_DAY = 86_400.0

_FILES_LEFT = DATASET.c.n_files - DATASET.c.n_files_finished - DATASET.c.n_files_failed
_RUN_SECONDS = func.coalesce(SCOUTING.c.lesson["wall_seconds"].as_float(), TASK.c.walltime_seconds)
_WORK = (
    select(ENDPOINT.c.site_id,
           func.sum(_FILES_LEFT * 1.0 / func.coalesce(DATASET.c.n_files_per_job, 1)
                    * _RUN_SECONDS * TASK.c.core_count))
    .select_from(TASK)
    .join(DATASET, (DATASET.c.task_id == TASK.c.id) & DATASET.c.is_primary)
    .join(ENDPOINT, ENDPOINT.c.id == TASK.c.endpoint_id)
    .outerjoin(SCOUTING, SCOUTING.c.task_id == TASK.c.id)
    .where(TASK_ALIVE).group_by(ENDPOINT.c.site_id)
)  # fmt: skip
_COMING = select(LINK.c.destination_id, func.sum(LINK.c.n_files_queued)).group_by(
    LINK.c.destination_id
)
_QUEUES = select(QUEUE.c.site_id, QUEUE.c.status)
_STORAGE = select(
    ENDPOINT.c.site_id, ENDPOINT.c.is_blacklisted, ENDPOINT.c.total_gb, ENDPOINT.c.free_gb,
    ENDPOINT.c.expired_gb,
).where(~ENDPOINT.c.is_tape)  # fmt: skip


def nuclei(session: Session, walltime_seconds: float) -> list[Nucleus]:
    """The sites that are declared nuclei, for a task whose jobs run so long.

    A handful of queries, however many there are.
    """
    run, now = session.connection().execute, database_time(session)
    sites = run(select(SITE).where(SITE.c.is_nucleus))
    storage = _by_site(run(_STORAGE))
    statuses = _by_site(run(_QUEUES))
    work = {row[0]: float(row[1]) / SECONDS_A_DAY for row in run(_WORK)}
    coming = {row[0]: int(row[1]) for row in run(_COMING)}
    return [
        replace(
            _nucleus(site, storage.get(site.id, []), now, walltime_seconds),
            is_active=_is_active(statuses.get(site.id, [])),
            workload_core_days=work.get(site.id, 0.0), n_files_coming=coming.get(site.id, 0),
        )
        for site in sites
    ]  # fmt: skip


def gathering(task: Task, spec: TaskSpec, demand: Demand) -> Gathering:
    """What is to be gathered, from what is known of the task's jobs."""
    return Gathering(
        share=task.share_name, priority=task.priority,
        io_intensity_kb_per_second=demand.io_intensity_kb_per_second,
        input_gb=demand.total_input_mb / MB_A_GB, n_input_files=demand.n_input_files,
        input_at=demand.input_at, nucleus_only=demand.nucleus_only,
        excluded_sites=frozenset(spec.excluded_sites),
    )  # fmt: skip


def best_endpoint(session: Session, site: str) -> Any:
    """The disk of a site with the most free space that is not blacklisted; None if there is none.

    Ties go by name.
    """
    return session.connection().execute(
        select(ENDPOINT.c.id, ENDPOINT.c.name)
        .join(SITE, SITE.c.id == ENDPOINT.c.site_id)
        .where(SITE.c.name == site, ~ENDPOINT.c.is_tape, ~ENDPOINT.c.is_blacklisted)
        .order_by(func.coalesce(ENDPOINT.c.free_gb, 0).desc(), ENDPOINT.c.name).limit(1)
    ).first()  # fmt: skip


def _by_site(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.site_id, []).append(row)
    return found


def _is_active(queues: Iterable[Any]) -> bool:
    """A site of storage alone has nothing that could be closed."""
    statuses = [queue.status for queue in queues]
    return not statuses or QueueStatus.ONLINE in statuses


def _nucleus(site: Any, disks: list[Any], now: datetime, seconds: float) -> Nucleus:
    open_ = [disk for disk in disks if not disk.is_blacklisted]
    known = [disk for disk in open_ if disk.total_gb is not None and disk.free_gb is not None]
    return Nucleus(
        name=site.name,
        is_down=Downtime(begins=site.down_from, ends=site.down_until).concerns(now, seconds),
        has_storage=bool(disks), sends_and_receives=bool(open_),
        knows_space=bool(known) or not open_,
        total_tb=sum(disk.total_gb for disk in known) / GB_A_TB,
        free_tb=sum(disk.free_gb for disk in known) / GB_A_TB,
        expired_tb=sum(disk.expired_gb or 0.0 for disk in known) / GB_A_TB,
    )  # fmt: skip
