"""Which files of storage a pilot may read and write: those of the jobs that it has now."""

from __future__ import annotations

from sqlmodel import Session, col, select

from tasks.statuses import DatasetKind
from tasks.tables import Dataset, File, Job, JobFile, Replica, StorageEndpoint, Task

_WRITTEN = (DatasetKind.OUTPUT, DatasetKind.LOG)


def reads(session: Session, pilot_id: int, endpoint: str, path: str) -> bool:
    """Whether a job that the pilot has now reads the file at this place."""
    query = (
        select(Job.id)
        .join(JobFile, col(JobFile.job_id) == Job.id)
        .join(File, col(File.id) == JobFile.file_id)
        .join(Replica, col(Replica.catalog_file_id) == File.catalog_file_id)
        .join(StorageEndpoint, col(StorageEndpoint.id) == Replica.endpoint_id)
        .where(
            Job.pilot_id == pilot_id,
            col(Job.lease_expires_at).is_not(None),
            JobFile.kind == DatasetKind.INPUT,
            StorageEndpoint.name == endpoint,
            Replica.path == path,
        )
        .limit(1)
    )
    return session.exec(query).first() is not None


def writes(session: Session, pilot_id: int, endpoint: str, path: str) -> bool:
    """Whether a job that the pilot has now, and has not reported as ended, writes this file.

    Each attempt's outputs have names of their own, so this is the fence for storage as well.
    """
    dataset, _, lfn = path.partition("/")
    query = (
        select(Job.id)
        .join(JobFile, col(JobFile.job_id) == Job.id)
        .join(File, col(File.id) == JobFile.file_id)
        .join(Dataset, col(Dataset.id) == JobFile.dataset_id)
        .join(Task, col(Task.id) == Job.task_id)
        .join(StorageEndpoint, col(StorageEndpoint.id) == Task.endpoint_id)
        .where(
            Job.pilot_id == pilot_id,
            col(Job.lease_expires_at).is_not(None),
            Job.reported_state == "",
            col(JobFile.kind).in_(_WRITTEN),
            Dataset.name == dataset,
            File.lfn == lfn,
            StorageEndpoint.name == endpoint,
        )
        .limit(1)
    )
    return session.exec(query).first() is not None
