"""Rows of queues → the broker's own values; the decision kept with every reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import case, func, select
from sqlmodel import Session

from broker.ranking import rank
from broker.values import Demand, Queue, Ranking
from culm.wire.task_spec import TaskSpec
from tasks.queues import queue_settings
from tasks.stages.rests import resting
from tasks.statuses import JobStatus, PilotStatus
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_LEASED, JOB_WAITING, PILOT, QUEUE, SITE
from tasks.tables import Decision, Task
from tasks.tables.columns import db_now

SILENT_SECONDS = 3 * 3600.0
_WITH_PILOT = [str(s) for s in (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)]


def rank_queues(session: Session, task: Task, spec: TaskSpec) -> tuple[Ranking, dict[str, int]]:
    """The queues that can take this task's jobs, and the ids of all queues by name."""
    demand = Demand(
        core_count=task.core_count, memory_mb=task.memory_mb, disk_mb=task.disk_mb,
        walltime_seconds=task.walltime_seconds, site=spec.site,
        excluded_sites=frozenset(spec.excluded_sites),
    )  # fmt: skip
    load, manned = _load(session), _manned(session)
    tired = {place.queue_id: place.reason for place in resting(session) if not place.node}
    queues, ids = [], {}
    c = QUEUE.c
    for row in session.connection().execute(
        select(c.id, c.name, c.status, c.settings, SITE.c.name.label("site"))
        .join(SITE, SITE.c.id == c.site_id)
    ):  # fmt: skip
        settings = queue_settings(row.settings, row.name)
        waiting, running = load.get(row.id, (0, 0))
        ids[row.name] = row.id
        queues.append(Queue(
            name=row.name, site=row.site, status=_status(row, tired),
            core_count=settings.core_count,
            max_memory_mb=settings.max_memory_mb, max_disk_mb=settings.max_disk_mb,
            max_walltime_seconds=settings.max_walltime_seconds,
            n_waiting=waiting, n_running=running, has_pilots=row.id in manned,
        ))  # fmt: skip
    return rank(demand, queues), ids


def _status(row: Any, tired: Mapping[int, str]) -> str:
    """A queue's status as brokerage sees it: one that rests takes no jobs, for a reason."""
    reason = tired.get(row.id)
    return str(row.status) if reason is None else f"at rest: {reason}"


def _load(session: Session) -> dict[int, tuple[int, int]]:
    """Jobs waiting and running by queue. Partial indexes hold only what is alive."""
    waiting = session.connection().execute(
        select(JOB.c.queue_id, func.count())
        .where(JOB_WAITING).group_by(JOB.c.queue_id)
    )  # fmt: skip
    load = {queue_id: (count, 0) for queue_id, count in waiting}
    running = session.connection().execute(
        select(JOB.c.queue_id, func.sum(case((JOB.c.status.in_(_WITH_PILOT), 1), else_=0)))
        .where(JOB_LEASED).group_by(JOB.c.queue_id)
    )  # fmt: skip
    for queue_id, count in running:
        load[queue_id] = (load.get(queue_id, (0, 0))[0], int(count))
    return load


def _manned(session: Session) -> set[int]:
    """The queues where a pilot is at work (rule 21 of spec/broker.md: heard of in 3 hours)."""
    return set(session.connection().execute(
        select(PILOT.c.queue_id).distinct()
        .where(PILOT.c.status == str(PilotStatus.ACTIVE),
               PILOT.c.last_heard_at > db_now(-SILENT_SECONDS))
    ).scalars())  # fmt: skip


def keep_decision(session: Session, task_id: int, ranking: Ranking) -> None:
    """Write the ranking and every rejection of a task's latest brokerage."""
    decision = session.get(Decision, task_id) or Decision(
        task_id=task_id, cycle=0, ranking=[], rejections=[], at=database_time(session)
    )
    ranked = [asdict(r) for r in ranking.ranked]
    rejections = [asdict(r) for r in ranking.rejections]
    decision.cycle += 1
    decision.at = database_time(session)
    decision.ranking, decision.rejections = ranked, rejections
    session.add(decision)
    session.flush()
