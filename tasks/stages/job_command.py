"""Kill a single job."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlmodel import Session

from culm.core.errors import NotFound, WrongStatus
from culm.wire.views import CommandAnswer
from tasks.lifecycles import JOB as MACHINE
from tasks.lifecycles import JobEvent
from tasks.stages.command import end_unsent
from tasks.stages.ending import roll_up
from tasks.statuses import JobStatus
from tasks.store.books import Books, wake
from tasks.store.locks import hold_tasks
from tasks.store.moves import Why
from tasks.store.tables import JOB
from tasks.store.topics import Topic
from tasks.tables import Job, Task


def kill_job(books: Books, job_id: int, user: str, reason: str = "") -> CommandAnswer:
    """Cancel a job that waits, or tell the pilot of one that runs to kill it.

    Raises:
        NotFound: there is no such job.
        WrongStatus: the job has ended already.
    """
    why = Why(user, reason or f"killed by {user}")
    with books.write() as session:
        task_id = _task_of(session, job_id)
        hold_tasks(session, [task_id])
        job = session.get_one(Job, job_id)
        if job.status in MACHINE.final or job.status in (JobStatus.HOLDING, JobStatus.MERGING):
            raise WrongStatus(f"job {job_id} is {job.status}: it has ended")
        task = session.get_one(Task, task_id)
        waits = [job_id] if job.pilot_id is None else []
        if end_unsent(session, task, waits, JobEvent.CANCELLED, why):
            roll_up(session, task_id, why)
        else:
            session.connection().execute(
                update(JOB).where(JOB.c.id == job_id).values(kill_reason=why.reason)
            )
            wake(session, Topic.KILL_REQUESTED)
    return CommandAnswer(task_id=task_id, code=0, message="kill accepted")


def _task_of(session: Session, job_id: int) -> int:
    found = session.connection().execute(select(JOB.c.task_id).where(JOB.c.id == job_id)).scalar()
    if found is None:
        raise NotFound(f"no job {job_id}")
    return int(found)
