"""Rows of queues → the broker's own values; the decision kept with every reason."""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy import case, func, select
from sqlmodel import Session

from broker.presets import preset
from broker.ranking import rank
from broker.values import Demand, Load, Queue, Ranking
from culm.wire.task_spec import TaskSpec
from tasks.queues import queue_settings
from tasks.statuses import JobStatus, PilotStatus
from tasks.store.moves import database_time
from tasks.store.tables import JOB, JOB_LEASED, JOB_WAITING, PILOT, PREASSIGNMENT, QUEUE, SITE
from tasks.tables import Decision, Task

_WITH_PILOT = [str(s) for s in (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)]


def rank_queues(session: Session, task: Task, spec: TaskSpec) -> tuple[Ranking, dict[str, int]]:
    """The queues that can take this task's jobs, and the ids of all queues by name."""
    to_fill = None if spec.site else _queue_to_fill(session, task.id)
    demand = Demand(
        core_count=task.core_count, memory_mb=task.memory_mb, disk_mb=task.disk_mb,
        walltime_seconds=task.walltime_seconds, site=spec.site or to_fill,
        excluded_sites=frozenset(spec.excluded_sites),
    )  # fmt: skip
    load, pilots = _load(session), _pilots(session)
    queues, ids = [], {}
    c = QUEUE.c
    for row in session.connection().execute(
        select(c.id, c.name, c.status, c.settings, SITE.c.name.label("site"))
        .join(SITE, SITE.c.id == c.site_id)
    ):  # fmt: skip
        settings = queue_settings(row.settings, row.name)
        waiting, running = load.get(row.id, (0, 0))
        n_slots, silent_seconds = pilots.get(row.id, (0, None))
        ids[row.name] = row.id
        queues.append(Queue(
            name=row.name, site=row.site, status=row.status, core_count=settings.core_count,
            max_memory_mb=settings.max_memory_mb, max_disk_mb=settings.max_disk_mb,
            max_walltime_seconds=settings.max_walltime_seconds,
            load=Load(n_activated=waiting, n_running=running, n_batch_jobs=n_slots,
                      last_pilot_seconds_ago=silent_seconds),
        ))  # fmt: skip
    ranking = rank(demand, queues, preset=preset("generic"))
    if to_fill is not None and not ranking.ranked:
        # The queue has changed since: pre-assignment is help, not a bond.
        ranking = rank(replace(demand, site=None), queues, preset=preset("generic"))
    return ranking, ids


def _queue_to_fill(session: Session, task_id: int) -> str | None:
    """The queue that a task is pre-assigned to; None if there is none."""
    name: str | None = session.connection().execute(
        select(QUEUE.c.name)
        .join(PREASSIGNMENT, PREASSIGNMENT.c.queue_id == QUEUE.c.id)
        .where(PREASSIGNMENT.c.task_id == task_id)
    ).scalar()  # fmt: skip
    return name


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


def _pilots(session: Session) -> dict[int, tuple[int, float | None]]:
    """Active pilots by queue: how many slots, and how long ago one of them was heard from."""
    now = database_time(session)
    rows = session.connection().execute(
        select(PILOT.c.queue_id, func.sum(PILOT.c.slots), func.max(PILOT.c.last_heard_at))
        .where(PILOT.c.status == str(PilotStatus.ACTIVE))
        .group_by(PILOT.c.queue_id)
    )  # fmt: skip
    return {
        queue_id: (int(n_slots), max(0.0, (now - heard_at).total_seconds()))
        for queue_id, n_slots, heard_at in rows
    }


def keep_decision(session: Session, task_id: int, ranking: Ranking) -> None:
    """Write the ranking and every rejection of a task's latest brokerage."""
    decision = session.get(Decision, task_id) or Decision(
        task_id=task_id, cycle=0, ranking=[], rejections=[], at=database_time(session)
    )
    ranked = [{"queue": r.queue, "weight": r.weight} for r in ranking.ranked]
    rejections = [
        {name: value for name, value in asdict(r).items() if value not in (None, "")}
        for r in ranking.rejections
    ]
    decision.cycle += 1
    decision.at = database_time(session)
    decision.ranking, decision.rejections = ranked, rejections
    session.add(decision)
    session.flush()
