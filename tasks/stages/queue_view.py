"""Rows of queues, storage, links and statistics → what the broker reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from broker.connectivity import parse_connectivity
from broker.thresholds import Thresholds
from broker.values import Link, Load, Queue
from broker.view import View
from tasks.queues import queue_settings
from tasks.stages.queue_counts import Counts, counts_of
from tasks.stages.rests import resting
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.store.tables import (
    ENDPOINT,
    LINK,
    QUEUE,
    QUEUE_STATISTICS,
    QUEUE_STORAGE,
    SITE,
)

_S = QUEUE_STATISTICS.c
_QUEUES = (
    select(QUEUE.c.id, QUEUE.c.name, QUEUE.c.status, QUEUE.c.settings, SITE.c.name.label("site"),
           _S.n_defined, _S.n_assigned, _S.n_transferring, _S.n_nodes_asking, _S.n_nodes_updating,
           _S.most_running, _S.mean_run_seconds, _S.last_start_at, _S.last_pilot_at,
           _S.disk_io_kb_per_second)
    .join(SITE, SITE.c.id == QUEUE.c.site_id)
    .join(QUEUE_STATISTICS, _S.queue_id == QUEUE.c.id, isouter=True)
)  # fmt: skip
_STORAGE = (
    select(QUEUE_STORAGE.c.queue_id, ENDPOINT.c.name, ENDPOINT.c.free_gb, ENDPOINT.c.is_blacklisted)
    .join(ENDPOINT, ENDPOINT.c.id == QUEUE_STORAGE.c.endpoint_id)
    .where(QUEUE_STORAGE.c.writes, (ENDPOINT.c.free_gb.is_not(None)) | ENDPOINT.c.is_blacklisted)
    .order_by(ENDPOINT.c.name)
)  # fmt: skip
_FROM, _TO = SITE.alias("source"), SITE.alias("destination")
_LINKS = (
    select(_FROM.c.name.label("source"), _TO.c.name.label("destination"), LINK)
    .join(_FROM, _FROM.c.id == LINK.c.source_id).join(_TO, _TO.c.id == LINK.c.destination_id)
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The queues at one moment, with their ids by name, and all that the broker knows beside."""

    queues: tuple[Queue, ...]
    ids: Mapping[str, int]
    view: View
    counts: Counts


def queue_view(session: Session, vo: str = "") -> QueueView:
    """The queues as they are now, with the thresholds that hold."""
    run, counts = session.connection().execute, counts_of(session)
    storage = _storage(run(_STORAGE))
    links = {(row.source, row.destination): _link(row) for row in run(_LINKS)}
    rows = run(_QUEUES).all()
    tired = {place.queue_id: place.reason for place in resting(session) if not place.node}
    now = database_time(session)
    view = View(
        thresholds=values(session).of(Thresholds, vo),
        links=links, n_files_to_nucleus=_to_nuclei(links), ledger=counts.ledger,
        age_seconds=counts.age_seconds,
    )  # fmt: skip
    queues = tuple(
        replace(queue, status=f"at rest: {tired[row.id]}") if row.id in tired else queue
        for row in rows
        for queue in [_queue(row, counts, storage.get(row.id, ("", None)), now)]
    )
    ids = {row.name: row.id for row in rows}
    return QueueView(queues=queues, ids=ids, view=view, counts=counts)


def _queue(row: Any, counts: Counts, storage: tuple[str, float | None], now: datetime) -> Queue:
    tally, heard_at = counts.tally(row.id), counts.heard_at.get(row.id, row.last_pilot_at)
    load = Load(
        n_defined=row.n_defined or 0, n_assigned=row.n_assigned or 0,
        n_activated=tally.n_waiting, n_running=tally.n_running,
        n_transferring=row.n_transferring or 0, n_batch_jobs=tally.n_slots,
        most_running=row.most_running or 0, n_nodes_asking=row.n_nodes_asking or 0,
        n_nodes_updating=row.n_nodes_updating or 0, mean_run_seconds=row.mean_run_seconds,
        disk_io_kb_per_second=row.disk_io_kb_per_second or 0.0,
        last_start_seconds_ago=_ago(row.last_start_at, now),
        last_pilot_seconds_ago=_ago(heard_at, now),
        n_slots=queue_settings(row.settings, row.name).n_slots,
    )  # fmt: skip
    return _with_settings(row, storage, load)


def _with_settings(row: Any, storage: tuple[str, float | None], load: Load) -> Queue:
    s = queue_settings(row.settings, row.name)
    return Queue(
        name=row.name, site=row.site, kind=s.kind, status=row.status, core_count=s.core_count,
        min_core_count=s.min_core_count, core_power=s.core_power, max_memory_mb=s.max_memory_mb,
        min_memory_mb=s.min_memory_mb, max_disk_mb=s.max_disk_mb,
        max_walltime_seconds=s.max_walltime_seconds, fair_share_policy=s.fair_share_policy,
        max_disk_io_kb_per_second=s.max_disk_io_kb_per_second,
        transferring_limit=s.transferring_limit, connectivity=_connectivity(s.connectivity),
        software=s.software, reads_directly=s.direct_access,
        takes_event_service=s.takes_event_service, takes_ordinary_jobs=s.takes_ordinary_jobs,
        takes_dynamic_events=s.takes_dynamic_events, pilot_factor=s.pilot_factor,
        blocked_storage=storage[0], free_storage_gb=storage[1], load=load,
    )  # fmt: skip


@lru_cache(maxsize=100)
def _connectivity(text: str) -> Any:
    return parse_connectivity(text, "connectivity", "full")


def _storage(rows: Iterable[Any]) -> dict[int, tuple[str, float | None]]:
    """By queue: a blacklisted endpoint that it writes to, and the most free space of the others."""
    found: dict[int, tuple[str, float | None]] = {}
    for queue_id, name, free_gb, is_blacklisted in rows:
        blocked, free = found.get(queue_id, ("", None))
        if is_blacklisted:
            found[queue_id] = blocked or name, free
        else:
            found[queue_id] = blocked, max(free or 0.0, free_gb)
    return found


def _link(row: Any) -> Link:
    return Link(
        is_blocked=row.is_blocked, n_files_queued=row.n_files_queued, closeness=row.closeness,
        mb_per_second_last_hour=row.mb_per_second_last_hour,
        mb_per_second_last_day=row.mb_per_second_last_day,
        mb_per_second_last_week=row.mb_per_second_last_week,
    )  # fmt: skip


def _to_nuclei(links: Mapping[tuple[str, str], Link]) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, destination), link in links.items():
        found[destination] = found.get(destination, 0) + link.n_files_queued
    return found


def _ago(moment: datetime | None, now: datetime) -> float | None:
    """Seconds since then; statistics from the future count as those of now."""
    return None if moment is None else max(0.0, (now - moment).total_seconds())
