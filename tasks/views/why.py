"""Why a task or a job does not go on: told from the rows as they are now."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from broker.explain import explain
from culm.core.errors import NotFound
from culm.core.units import format_duration
from culm.wire.why import JobsAt, JobWhy, RuleCount, TaskWhy
from tasks.lifecycles import JOB as JOB_MACHINE
from tasks.lifecycles import TASK as TASK_MACHINE
from tasks.specs import spec_of
from tasks.stages.rank_queues import Scene, scene_of
from tasks.statuses import JobStatus, TaskStatus
from tasks.store.tables import JOB, JOB_ALIVE, QUEUE
from tasks.tables import Job, Queue, Task

_NEXT = {
    TaskStatus.REGISTERED: "it waits to be refined: is a daemon running? (culm doctor)",
    TaskStatus.DEFINED: "its input is being listed",
    TaskStatus.ASSIGNING: "the place of its output is being chosen",
    TaskStatus.PREPARED: "all its input is processed; it is being closed",
    TaskStatus.PAUSED: "it is paused; go on with: culm task resume {id}",
    TaskStatus.ABORTING: "it was killed; its last jobs are ending",
    TaskStatus.FINISHING: "it was told to finish; it waits for the jobs that run",
    TaskStatus.EXHAUSTED: "its scouts found it wrongly configured; change it (culm task incexec "
    "{id} --set NAME=VALUE), or let it go on as it is: culm task avalanche {id}",
}
_BROKERED = frozenset({
    TaskStatus.READY, TaskStatus.PENDING, TaskStatus.SCOUTING, TaskStatus.SCOUTED,
    TaskStatus.RUNNING, TaskStatus.THROTTLED,
})  # fmt: skip


def task_why(session: Session, task_id: int) -> TaskWhy:
    """What hinders a task, and what would help.

    Raises:
        NotFound: there is no such task.
    """
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(f"no task {task_id}")
    status, jobs = TaskStatus(task.status), _jobs(session, task_id)
    if status not in _BROKERED:
        return TaskWhy(task_id=task_id, status=status, summary=_words(task, status), jobs=jobs)
    scene = scene_of(session, task, spec_of(session, task_id))
    found = explain(scene.demand, scene.queues, scene.view, scene.preset)
    summary = task.reason or _of_jobs(jobs, scene) or found.summary
    return TaskWhy(
        task_id=task_id, status=status, summary=summary,
        verdict=str(found.verdict), brokerage=found.summary,
        changes=tuple(map(str, found.changes)),
        rules=tuple(
            RuleCount(rule=c.rule, n_queues=c.n_queues, passes=c.passes,
                      example=f"{c.example.queue}: {c.example.reason}")
            for c in found.counts
        ),
        jobs=jobs,
    )  # fmt: skip


def job_why(session: Session, job_id: int) -> JobWhy:
    """What a job waits for, or how it ended.

    Raises:
        NotFound: there is no such job.
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"no job {job_id}")
    queue = session.get_one(Queue, job.queue_id)
    return JobWhy(
        job_id=job_id, task_id=job.task_id, status=job.status, queue=queue.name,
        summary=_of_job(session, job, queue),
    )  # fmt: skip


def _words(task: Task, status: TaskStatus) -> str:
    words = _NEXT.get(status, "it has ended" if status in TASK_MACHINE.final else "")
    told = [task.reason] if task.reason else []
    return "; ".join([*told, words.format(id=task.id)] if words else told) or f"it is {status}"


def _jobs(session: Session, task_id: int) -> tuple[JobsAt, ...]:
    rows = session.connection().execute(
        select(QUEUE.c.name, JOB.c.status, func.count())
        .join(QUEUE, QUEUE.c.id == JOB.c.queue_id)
        .where(JOB.c.task_id == task_id, JOB_ALIVE)
        .group_by(QUEUE.c.name, JOB.c.status).order_by(QUEUE.c.name, JOB.c.status)
    )  # fmt: skip
    return tuple(JobsAt(queue=name, status=status, n_jobs=n) for name, status, n in rows)


def _of_jobs(jobs: tuple[JobsAt, ...], scene: Scene) -> str:
    """What the jobs that are there wait for; empty if none is."""
    if not jobs:
        return ""
    waiting = [at for at in jobs if at.status == JobStatus.ACTIVATED]
    n_waiting, n_all = sum(at.n_jobs for at in waiting), sum(at.n_jobs for at in jobs)
    if not waiting:
        return f"{n_all} jobs are with pilots or being settled"
    silent = {q.name: q.load.last_pilot_seconds_ago for q in scene.queues}
    where = "; ".join(f"{at.n_jobs} at {at.queue}, {_pilots(silent[at.queue])}" for at in waiting)
    return f"{n_waiting} of {n_all} jobs wait for a pilot: {where}"


def _pilots(seconds: float | None) -> str:
    if seconds is None:
        return "where no pilot is at work (start one: culm pilot --queue …)"
    return f"where a pilot was heard from {format_duration(int(seconds))} ago"


def _of_job(session: Session, job: Job, queue: Queue) -> str:
    status = JobStatus(job.status)
    if status in JOB_MACHINE.final:
        diag = job.pilot_error_diag or job.server_error_diag or job.kill_reason
        return f"it is {status}" + (f": {diag}" if diag else "")
    if status == JobStatus.ACTIVATED:
        task = session.get_one(Task, job.task_id)
        scene = scene_of(session, task, spec_of(session, job.task_id))
        here = next(q for q in scene.queues if q.name == queue.name)
        before = session.connection().execute(
            select(func.count()).where(
                JOB.c.queue_id == job.queue_id, JOB.c.status == str(status),
                JOB.c.share_name == job.share_name, JOB.c.priority > job.priority,
            )
        ).scalar_one()  # fmt: skip
        state = f"queue {queue.name} is {here.status}" if here.status != "online" else ""
        words = f"it waits for a pilot at {queue.name}, {_pilots(here.load.last_pilot_seconds_ago)}"
        line = f"{before} jobs of its share have a higher priority there"
        return "; ".join(part for part in (state, words, line) if part)
    if status == JobStatus.HOLDING:
        return "its pilot reported its end; it is being settled"
    if status in (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING):
        return f"it is {status} with pilot {job.pilot_id} on {job.node or 'its node'}"
    return f"it is {status}"
