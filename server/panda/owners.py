"""Whose a task or job is: what is another's is not there."""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import Session

from culm.core.errors import NotFound
from server.identity.access import may_see
from server.panda.asked import Asked
from tasks.store.bulk import id_in
from tasks.store.tables import JOB, TASK
from tasks.views.tasks import task_owner


def own_task(session: Session, asked: Asked, name: str = "task_id") -> int:
    """The task that a field names.

    Raises:
        NotFound: there is none, or it is another's.
    """
    task_id = asked.number(name)
    if not may_see(asked.actor, task_owner(session, task_id)):
        raise NotFound(f"no task {task_id} of yours")
    return task_id


def own_jobs(session: Session, asked: Asked, job_ids: list[int]) -> list[int]:
    """Those of the jobs that the caller may see."""
    query = select(JOB.c.id).join(TASK, TASK.c.id == JOB.c.task_id)
    if not asked.actor.is_admin:
        query = query.where(TASK.c.user_name == asked.actor.subject)
    found = session.connection().execute(query.where(id_in(JOB.c.id, job_ids, session)))
    return list(found.scalars())


def own_job(session: Session, asked: Asked, name: str = "job_id") -> int:
    """The job that a field names.

    Raises:
        NotFound: there is none, or it is another's.
    """
    job_id = asked.number(name)
    if not own_jobs(session, asked, [job_id]):
        raise NotFound(f"no job {job_id} of yours")
    return job_id
