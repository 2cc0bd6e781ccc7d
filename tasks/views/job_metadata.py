"""What the jobs of a task wrote into `userJobMetadata.json`."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.recovery import JobMetadata, JobMetadataList
from tasks.store.tables import JOB, METADATA
from tasks.views.shown import page


def metadata_of_jobs(
    session: Session, task_id: int, limit: int, after: int | None = None
) -> JobMetadataList:
    """A page of the jobs that left metadata, in order of id."""
    query = (
        select(JOB.c.id, JOB.c.status, METADATA.c.user_metadata)
        .join(METADATA, METADATA.c.job_id == JOB.c.id)
        .where(JOB.c.task_id == task_id, METADATA.c.user_metadata.is_not(None))
        .order_by(JOB.c.id).limit(limit + 1)
    )  # fmt: skip
    if after is not None:
        query = query.where(JOB.c.id > after)
    rows, last = page(session.connection().execute(query).all(), limit)
    found = tuple(
        JobMetadata(job_id=row.id, status=row.status, metadata=json.loads(row.user_metadata))
        for row in rows
    )
    return JobMetadataList(jobs=found, next=last.id if last else None)
