"""Jobs that did not succeed, tried again: what rules and errors make of their input."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from culm.core.errors import InvalidRequest
from culm.wire.codec import decode
from culm.wire.retry_rules import NewRetryRule
from culm.wire.task_spec import TaskSpec
from tasks.queues import queue_settings
from tasks.retry_rules import Advice, Failure, RetryRule, advise, checked_rule
from tasks.splitting import Chunk, halves
from tasks.stages.asking import Needs, needs_of
from tasks.stages.drafts import Predecessor
from tasks.stages.giving_up import give_up
from tasks.stages.stage import Act
from tasks.statuses import PilotStatus, QueueStatus
from tasks.store.bulk import id_in
from tasks.store.tables import FILE, JOB, METADATA, PILOT, QUEUE, RETRY_RULE
from tasks.tables import Task

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Again:
    """Chunks to be tried again by what they ask for, and the jobs before them."""

    groups: dict[Needs, list[Chunk]] = field(default_factory=lambda: defaultdict(list))
    before: dict[int, Predecessor] = field(default_factory=dict)


def try_again(act: Act, task: Task, spec: TaskSpec, chunks: Sequence[Chunk]) -> Again:
    """What becomes of chunks that were a job before; what is hopeless is given up here."""
    again = Again()
    if not chunks:
        return again
    jobs = _jobs(act.session, [chunk.retry_of for chunk in chunks if chunk.retry_of is not None])
    rules, most = retry_rules(act.session), _most_memory(act.session)
    hopeless: list[int] = []
    any_of_task = Failure(
        architecture=spec.architecture or "", release=spec.release or "", work_queue=task.share_name
    )
    for chunk in chunks:
        job = jobs[chunk.retry_of]
        again.before[job.id] = Predecessor(job.attempt_nr, job.sequence_nr, job.first_event)
        n_tries = max(file.n_tries for file in chunk.files)
        failure = _failure(any_of_task, job, n_tries)
        advice = advise(failure, rules)
        _tell(act, job.id, advice)
        if advice.hopeless:
            hopeless += [file.file_id for file in chunk.files]
            continue
        needs = _needs(task, spec, failure, advice, most)
        again.groups[needs] += halves(chunk) if advice.reduce_input else [chunk]
    _give_up(act.session, hopeless)
    return again


def retry_rules(session: Session) -> list[RetryRule]:
    """The rules of the books that can be used, in order; others are named in the log."""
    c = RETRY_RULE.c
    fields = ("source", "action", "code", "pattern", "max_retries", "active", "architecture",
              "release", "work_queue")  # fmt: skip
    rows = session.connection().execute(select(c.id, *(c[name] for name in fields)).order_by(c.id))
    found = []
    for row in rows:
        try:
            found.append(_rule(row.id, tuple((name, row._mapping[name]) for name in fields)))
        except InvalidRequest as error:
            log.warning("retry rule cannot be used", extra={"rule": row.id, "why": str(error)})
    return found


@lru_cache(maxsize=1000)
def _rule(rule_id: int, values: tuple[tuple[str, Any], ...]) -> RetryRule:
    return checked_rule(decode(NewRetryRule, dict(values), f"retry rule {rule_id}"), rule_id)


def _jobs(session: Session, ids: Sequence[int]) -> dict[int | None, Any]:
    rows = session.connection().execute(
        select(
            *(JOB.c[name] for name in (
                "id", "attempt_nr", "sequence_nr", "first_event", "core_count", "memory_mb",
                "walltime_seconds", "exit_code", "pilot_error_code", "pilot_error_diag",
                "server_error_code", "server_error_diag",
            )),
            METADATA.c.metrics,
        )
        .outerjoin(METADATA, METADATA.c.job_id == JOB.c.id)
        .where(id_in(JOB.c.id, ids, session))
    )  # fmt: skip
    return {row.id: row for row in rows}


def _failure(any_of_task: Failure, job: Any, n_tries: int) -> Failure:
    metrics = job.metrics or {}
    return replace(
        any_of_task, n_tries=n_tries, core_count=job.core_count, memory_mb=job.memory_mb,
        walltime_seconds=job.walltime_seconds, max_pss_mb=float(metrics.get("max_pss_mb", 0.0)),
        exit_code=job.exit_code or 0, pilot_error_code=job.pilot_error_code,
        pilot_error_diag=job.pilot_error_diag, server_error_code=job.server_error_code,
        server_error_diag=job.server_error_diag,
    )  # fmt: skip


def _needs(
    task: Task, spec: TaskSpec, failure: Failure, advice: Advice, most_memory_mb: float
) -> Needs:
    """What the next attempt asks for.

    One that was short of memory gets at least what the owner asked for, whatever scouts taught;
    and not more than some queue has, or nobody would ever run it.
    """
    needs = needs_of(task)
    memory = max(needs.memory_mb, failure.memory_mb)
    if failure.was_short_of_memory:
        wished = max(advice.memory_mb, spec.memory_mb, memory)
        memory = max(memory, int(min(wished, most_memory_mb)))
    walltime = max(needs.walltime_seconds, advice.walltime_seconds)
    return replace(
        needs, memory_mb=memory, walltime_seconds=walltime,
        walltime_is_firm=advice.walltime_seconds > failure.walltime_seconds,
    )  # fmt: skip


def _most_memory(session: Session) -> float:
    """The memory of the biggest job that any online queue can run, by its limit or its pilots."""
    pilots = select(PILOT.c.queue_id, func.max(PILOT.c.memory_mb).label("memory_mb")).where(
        PILOT.c.status == str(PilotStatus.ACTIVE)
    )
    at_work = pilots.group_by(PILOT.c.queue_id).subquery()
    rows = session.connection().execute(
        select(QUEUE.c.name, QUEUE.c.settings, at_work.c.memory_mb)
        .outerjoin(at_work, at_work.c.queue_id == QUEUE.c.id)
        .where(QUEUE.c.status == str(QueueStatus.ONLINE))
    )  # fmt: skip
    most = 0.0
    for row in rows:
        limit = queue_settings(row.settings, row.name).max_memory_mb
        known = [float(mb) for mb in (limit, row.memory_mb) if mb is not None]
        most = max(most, min(known, default=float("inf")))
    return most


def _tell(act: Act, job_id: int, advice: Advice) -> None:
    """What was decided, in the log; passive rules do nothing but this."""
    for words in advice.would:
        log.info("a passive rule would apply", extra={"job": job_id, "rule": words})
    if advice.because:
        log.info("retry rules apply", extra={"job": job_id, "rules": list(advice.because),
                                             "by": act.actor})  # fmt: skip


def _give_up(session: Session, file_ids: Sequence[int]) -> None:
    """These files have failed for good. They may be of several datasets."""
    if file_ids:
        here = id_in(FILE.c.id, file_ids, session)
        dataset_ids = session.connection().execute(select(FILE.c.dataset_id).where(here).distinct())
        give_up(session, dataset_ids.scalars().all(), here)
