"""Jobs that wait for another job of their task."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from broker.explain import explain
from tasks.specs import spec_of
from tasks.stages.merges import merge_plan, merge_scene
from tasks.statuses import MERGE_INPUT, FileStatus, JobKind, JobStatus
from tasks.store.tables import BUILD, FILE, JOB, JOB_ALIVE, JOB_FILE, JOB_SERVES
from tasks.tables import Job, Task
from tasks.why.findings import NOT_YET, TAKEN, WAITS, Finding, many


def of_build(session: Session, job: Job, queue: str) -> Finding | None:
    """The build that a run job waits for; None if there is none."""
    build = session.connection().execute(
        select(JOB.c.id, JOB.c.status, JOB.c.attempt_nr)
        .join(BUILD, BUILD.c.job_id == JOB.c.id)
        .where(BUILD.c.task_id == job.task_id, BUILD.c.queue_id == job.queue_id)
    ).first()  # fmt: skip
    if build is None:
        return None
    again = f", attempt {build.attempt_nr}" if build.attempt_nr > 1 else ""
    summary = f"it waits for what build job {build.id} makes at queue {queue}"
    return Finding(
        verdict=WAITS, summary=f"{summary}; that is {build.status}{again}",
        details=(f"culm why {build.id}",),
    )  # fmt: skip


def of_merge(session: Session, job: Job) -> Finding:
    """Why a run job's output is not merged yet."""
    merge = session.connection().execute(
        select(JOB.c.id, JOB.c.status)
        .join(JOB_FILE, JOB_FILE.c.job_id == JOB.c.id)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(JOB.c.task_id == job.task_id, JOB_SERVES, JOB_ALIVE, FILE.c.job_id == job.id,
               JOB_FILE.c.kind == MERGE_INPUT, FILE.c.status == str(FileStatus.MERGING))
    ).first()  # fmt: skip
    if merge is not None:
        return Finding(
            verdict=WAITS, summary=f"merge job {merge.id} has its output; that is {merge.status}",
            details=(f"culm why {merge.id}",),
        )  # fmt: skip
    hindrance = _hindrance(session, session.get_one(Task, job.task_id))
    return Finding(verdict=NOT_YET, summary=f"its output waits to be merged: {hindrance}")


def _hindrance(session: Session, task: Task) -> str:
    """Why outputs that wait are in no merge job yet, in words."""
    spec = spec_of(session, task.id)
    plan = merge_plan(session, task, spec)
    if not plan.groups:
        return "a merge job takes more, and more is to come"
    scene = merge_scene(session, task, spec, plan.needs)
    found = explain(scene.demand, scene.seen.queues, scene.seen.view, scene.preset)
    if found.verdict == TAKEN:
        return "the merge job is made next"
    return f"no queue takes the merge job: {found.summary}"


def merging_in_words(session: Session, task: Task) -> str:
    """How much of a task's output waits to be merged, and why; empty if none does."""
    mine = (JOB.c.task_id == task.id, JOB_ALIVE)
    count = select(func.count()).select_from(JOB)
    run = session.connection().execute
    n_runs = run(count.where(*mine, JOB.c.status == str(JobStatus.MERGING))).scalar_one()
    if not n_runs:
        return ""
    n_merges = run(count.where(*mine, JOB_SERVES, JOB.c.kind == str(JobKind.MERGE))).scalar_one()
    told = f"the output of {many(n_runs, 'job')} is not merged yet"
    if n_merges:
        return f"{told}; merge jobs at work: {n_merges}"
    return f"{told}: {_hindrance(session, task)}"
