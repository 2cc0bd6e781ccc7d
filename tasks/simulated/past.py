"""The last days of our own books: jobs that finished, and how often queues failed them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlmodel import Session

from broker.simulation.past import Past, PastJob, PastTask, past_of
from broker.simulation.view import CORE_POWER_AT_SPEED_ONE
from broker.simulation.workload import MAX_JOBS
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.task_spec import USER_ACTIVITY
from tasks.queues import queue_settings
from tasks.retry_rules import spends_attempt
from tasks.simulated.present import Seen
from tasks.statuses import DatasetKind, JobStatus
from tasks.store.moves import database_time
from tasks.store.tables import (
    DATASET,
    ENDPOINT,
    FILE,
    JOB,
    JOB_FILE,
    METADATA,
    QUEUE,
    REPLICA,
    SITE,
    TASK,
)
from tasks.tables.columns import db_now

_DAY_SECONDS = 86_400.0
_JOBS_A_READ = 5000
_STEP = 5
"""So many of a user's jobs have the same priority (panda-docs 4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDays:
    """What finished in the last days, what it tells of the queues, and words on the rest."""

    past: Past
    seen: Seen
    notes: tuple[str, ...]


def last_days(session: Session, days: float) -> LastDays:
    """The jobs that finished in the last days. What was submitted before them counts as submitted
    when they began.

    Jobs that failed are in the queues' failure rates, if it was not their payloads' fault; what
    was tried again and finished is there once, as what was to be done.

    Raises:
        InvalidRequest: no job finished in these days, or too many did.
    """
    ends = Counter[tuple[str, str, bool]]()
    for row in session.connection().execute(_ends(days)):
        spends = spends_attempt(row.pilot_error_code, row.server_error_code)
        ends[row.queue or "", row.status, spends] += row.n
    n_finished, n_failed = (
        sum(n for (_, ended, _), n in ends.items() if ended == status)
        for status in (JobStatus.FINISHED, JobStatus.FAILED)
    )
    if not 0 < n_finished <= MAX_JOBS:
        raise _no_such_days(session, days, n_finished)
    begin = database_time(session).timestamp() - days * _DAY_SECONDS
    tasks = _tasks(session, days, begin)
    past = past_of(_jobs(session, days, begin), tasks, _speeds(session))
    return LastDays(
        past=past,
        seen=Seen(most_slots=past.most_slots, failure_rates=_failure_rates(ends)),
        notes=_notes(n_finished, n_failed),
    )


def _notes(n_finished: int, n_failed: int) -> tuple[str, ...]:
    words = f"{n_finished:,} jobs finished in these days"
    if not n_failed:
        return (words,)
    return (
        words,
        f"{n_failed:,} failed tries are no work; those that the system failed are in the "
        "failure rates of the queues",
    )


def _ended(days: float, *statuses: JobStatus) -> ColumnElement[bool]:
    is_late = JOB.c.ended_at >= db_now(-days * _DAY_SECONDS)
    words = [str(status) for status in statuses]
    # A job may end before its pilot told that it ran; one that failed so never did.
    ran = or_(JOB.c.status == str(JobStatus.FINISHED), JOB.c.started_at.is_not(None))
    return and_(JOB.c.status.in_(words), ran, is_late)


def _ends(days: float) -> Any:
    how = (QUEUE.c.name, JOB.c.status, JOB.c.pilot_error_code, JOB.c.server_error_code)
    return (
        select(QUEUE.c.name.label("queue"), *how[1:], func.count().label("n"))
        .join(QUEUE, QUEUE.c.id == JOB.c.queue_id, isouter=True)
        .where(_ended(days, JobStatus.FINISHED, JobStatus.FAILED)).group_by(*how)
    )  # fmt: skip


def _failure_rates(ends: Mapping[tuple[str, str, bool], int]) -> dict[str, float]:
    failed, ended = Counter[str](), Counter[str]()
    for (queue, status, spends), n in ends.items():
        if status == JobStatus.FINISHED:
            ended[queue] += n
        elif not spends:
            failed[queue] += n
            ended[queue] += n
    return {queue: failed[queue] / ended[queue] for queue in ended}


def _no_such_days(session: Session, days: float, n_jobs: int) -> InvalidRequest:
    if n_jobs:
        needed = f"at most {MAX_JOBS:,} jobs: fewer days"
        return InvalidRequest("too long a time", faults=[
            FieldFault("--books", f"{days:g} days with {n_jobs:,} jobs", needed)])  # fmt: skip
    run = session.connection().execute
    last = run(select(func.max(JOB.c.ended_at, type_=JOB.c.ended_at.type))
               .where(JOB.c.status == str(JobStatus.FINISHED))).scalar_one()  # fmt: skip
    fault = FieldFault("--books", f"{days:g} days", _since(last, database_time(session)))
    return InvalidRequest("no job finished in these days", faults=[fault])


def _since(last: datetime | None, now: datetime) -> str:
    if last is None:
        return "no job has ever finished here: give --workload or --swf"
    days = (now - last).total_seconds() / _DAY_SECONDS
    return f"the last job finished {days:.1f} days ago: more days than that"


def _speeds(session: Session) -> dict[str, float]:
    rows = session.connection().execute(select(QUEUE.c.name, QUEUE.c.settings))
    return {row.name: _speed(row.settings, row.name) for row in rows}


def _speed(settings: Any, name: str) -> float:
    return queue_settings(settings, name).core_power / CORE_POWER_AT_SPEED_ONE


def _jobs(session: Session, days: float, begin: float) -> Iterator[PastJob]:
    measured = METADATA.c.metrics["wall_seconds"].as_float()
    query = (
        select(JOB.c.task_id, QUEUE.c.name, JOB.c.share_name, JOB.c.core_count, JOB.c.started_at,
               JOB.c.ended_at, measured)
        .join(QUEUE, QUEUE.c.id == JOB.c.queue_id, isouter=True)
        .join(METADATA, METADATA.c.job_id == JOB.c.id, isouter=True)
        .where(_ended(days, JobStatus.FINISHED))
        .execution_options(stream_results=True, yield_per=_JOBS_A_READ)
    )  # fmt: skip
    rows = session.connection().execute(query)
    for task_id, queue, share, cores, started_at, ended_at, wall_seconds in rows:
        # Staging is not in what the pilot measured: transfers are simulated for themselves.
        run_seconds = wall_seconds or (ended_at - (started_at or ended_at)).total_seconds()
        yield PastJob(
            task=task_id,
            queue=queue or "",
            share=share,
            slots=cores,
            run_seconds=run_seconds,
            ended_seconds=ended_at.timestamp() - begin,
        )


def _tasks(session: Session, days: float, begin: float) -> dict[int, PastTask]:
    ids = select(JOB.c.task_id).where(_ended(days, JobStatus.FINISHED)).distinct()
    input_mb, sites = _input_mb(session, days), _sites(session, ids)
    columns = (TASK.c.id, TASK.c.user_name, TASK.c.created_at, TASK.c.priority, TASK.c.activity)
    return {
        row.id: PastTask(
            user=row.user_name,
            submitted_seconds=max(0.0, row.created_at.timestamp() - begin),
            priority=row.priority,
            priority_step=_STEP if row.activity == USER_ACTIVITY else 0,
            input_mb=input_mb.get(row.id, 0.0),
            sites=sites.get(row.id, ()),
        )
        for row in session.connection().execute(select(*columns).where(TASK.c.id.in_(ids)))
    }


_READ = JOB_FILE.c.kind == str(DatasetKind.INPUT)


def _input_mb(session: Session, days: float) -> dict[int, float]:
    rows = session.connection().execute(
        select(JOB.c.task_id, func.sum(FILE.c.size_bytes))
        .join(JOB_FILE, JOB_FILE.c.job_id == JOB.c.id)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(_ended(days, JobStatus.FINISHED), _READ)
        .group_by(JOB.c.task_id)
    )
    return {row[0]: float(row[1] or 0) / 1e6 for row in rows}


def _sites(session: Session, task_ids: Any) -> dict[int, tuple[str, ...]]:
    """The sites that hold as much of a task's input as any does."""
    rows = session.connection().execute(
        select(DATASET.c.task_id, SITE.c.name, func.count(FILE.c.id.distinct()))
        .join(FILE, FILE.c.dataset_id == DATASET.c.id)
        .join(REPLICA, REPLICA.c.catalog_file_id == FILE.c.catalog_file_id)
        .join(ENDPOINT, ENDPOINT.c.id == REPLICA.c.endpoint_id)
        .join(SITE, SITE.c.id == ENDPOINT.c.site_id)
        .where(DATASET.c.task_id.in_(task_ids), DATASET.c.kind == str(DatasetKind.INPUT))
        .group_by(DATASET.c.task_id, SITE.c.name)
        .order_by(SITE.c.name)
    )
    found: dict[int, dict[str, int]] = {}
    for task_id, site, n_files in rows:
        found.setdefault(task_id, {})[site] = n_files
    return {
        task_id: tuple(site for site, n in held.items() if n == max(held.values()))
        for task_id, held in found.items()
    }
