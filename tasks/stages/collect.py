"""Collect: settle the jobs that reported their end: outputs verified, files moved, in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import bindparam, select, update

from culm.wire.error_codes import ServerError
from culm.wire.reports import ReportState
from tasks.lifecycles import JobEvent
from tasks.retry_rules import spends_attempt
from tasks.specs import spec_of
from tasks.stages.ending import roll_up
from tasks.stages.ends import note_ended
from tasks.stages.search_results import take_results
from tasks.stages.select import tasks_where
from tasks.stages.settle import WRITTEN, serving_kinds, settle_failed, settle_succeeded
from tasks.stages.settle_runs import settle_prepared
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import JobKind, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.moves import Why, move_jobs
from tasks.store.tables import DATASET, ENDPOINT, FILE, JOB, JOB_FILE, JOB_TO_SETTLE, TASK
from tasks.store.topics import Topic
from tasks.tables import Task

JOBS_A_BATCH = 1000


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    rows = act.session.connection().execute(
        select(JOB.c.id, JOB.c.reported_state, JOB.c.pilot_error_code, JOB.c.kill_reason,
               JOB.c.queue_id)
        .where(JOB_TO_SETTLE, JOB.c.task_id == task.id).order_by(JOB.c.id).limit(JOBS_A_BATCH)
    ).all()  # fmt: skip
    claimed = [row.id for row in rows if row.reported_state == ReportState.FINISHED]
    missing = _missing_outputs(act, task, claimed)
    good = [job_id for job_id in claimed if job_id not in missing]
    if task.is_search:
        good = take_results(act, task, good)
    why = Why(act.actor)
    done = _without_unmerged(act, task, good)
    move_jobs(act.session, done, JobEvent.SUCCEEDED, why)
    settle_succeeded(act.session, task, done)
    note_ended(act.session, (row.queue_id for row in rows if row.id not in missing
                             and row.reported_state == ReportState.FINISHED))  # fmt: skip
    _fail_unverified(act, task, missing)
    killed = {r.id: True for r in rows if r.id not in claimed and r.kill_reason}
    spends = {r.id: spends_attempt(r.pilot_error_code, 0)
              for r in rows if r.id not in claimed and not r.kill_reason}  # fmt: skip
    move_jobs(act.session, killed, JobEvent.CANCELLED, why)
    move_jobs(act.session, spends, JobEvent.FAILED, why)
    settle_failed(act.session, task, killed | spends)
    act.session.connection().execute(
        update(TASK).where(TASK.c.id == task.id).values(version=TASK.c.version + 1)
    )
    roll_up(act.session, task.id, why)
    # For who ends a task that is told to end, too: its last job may have been among these. And
    # where these jobs were, places are free: that is news for generate.
    wake(act.session, Topic.TASK_CHANGED, Topic.TASK_READY)
    n_bad = len(rows) - len(good)
    return Outcome(
        task.id,
        f"{len(good)} jobs finished, {n_bad} did not",
        n_done=len(rows),
        again=len(rows) == JOBS_A_BATCH,
    )


def _without_unmerged(act: Act, task: Task, job_ids: list[int]) -> list[int]:
    """Those of the jobs that count at once. The output of the others is to be merged first; of a
    killed task nothing is merged any more, and what was merged does not count.
    """
    if not job_ids or not spec_of(act.session, task.id).merge_output:
        return job_ids
    why, kinds = Why(act.actor), serving_kinds(act.session, task, job_ids)
    if task.status == TaskStatus.ABORTING:
        late = [job_id for job_id in job_ids if kinds.get(job_id) != JobKind.BUILD]
        move_jobs(act.session, late, JobEvent.CANCELLED, why)
        settle_failed(act.session, task, dict.fromkeys(late, True))
        return [job_id for job_id in job_ids if job_id not in late]
    unmerged = [job_id for job_id in job_ids if job_id not in kinds]
    move_jobs(act.session, unmerged, JobEvent.MERGE_BEGAN, why)
    settle_prepared(act.session, unmerged)
    return list(kinds)


def _fail_unverified(act: Act, task: Task, missing: dict[int, list[str]]) -> None:
    if not missing:
        return
    why = Why(act.actor, "reported as finished, but an output is not in storage")
    code = int(ServerError.OUTPUT_NOT_VERIFIED)
    move_jobs(act.session, missing, JobEvent.FAILED, why, server_error_code=code)
    act.session.connection().execute(
        update(JOB).where(JOB.c.id == bindparam("job")).values(server_error_diag=bindparam("diag")),
        [{"job": job_id, "diag": f"not in storage: {', '.join(sorted(names))}"}
         for job_id, names in missing.items()],
    )  # fmt: skip
    settle_failed(act.session, task, dict.fromkeys(missing, False))


def _missing_outputs(act: Act, task: Task, job_ids: Sequence[int]) -> dict[int, list[str]]:
    """For each job, the outputs that it did not report or that are not where they should be."""
    if not job_ids:
        return {}
    directory = act.session.connection().execute(
        select(ENDPOINT.c.directory).where(ENDPOINT.c.id == task.endpoint_id)
    ).scalar()  # fmt: skip
    base = Path(directory) if directory else None
    rows = act.session.connection().execute(
        select(JOB_FILE.c.job_id, DATASET.c.name, FILE.c.lfn, JOB_FILE.c.size_bytes)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .join(DATASET, DATASET.c.id == JOB_FILE.c.dataset_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, act.session), JOB_FILE.c.kind.in_(WRITTEN))
    )  # fmt: skip
    missing: dict[int, list[str]] = defaultdict(list)
    for job_id, dataset, lfn, size in rows:
        if size is None or (base is not None and not _is_there(base / dataset / lfn, size)):
            missing[job_id].append(lfn)
    return missing


def _is_there(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False


STAGE = Stage(
    name="collect",
    topics=(Topic.JOB_REPORTED,),
    candidates=tasks_where(TASK.c.id.in_(select(JOB.c.task_id).where(JOB_TO_SETTLE).distinct())),
    act=_act,
    # Short jobs end by the hundred a second: settling each alone would cost ten times as much.
    gather_seconds=0.1,
)
