"""Which files of storage a pilot may read and write: those of the jobs that it has now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from tasks.statuses import LIB_INPUT, MERGE_INPUT, UNMERGED, DatasetKind
from tasks.tables import Dataset, File, Job, JobFile, Replica, StorageEndpoint, Task

_WRITTEN = (DatasetKind.OUTPUT, DatasetKind.LOG, DatasetKind.LIB, *UNMERGED)
_PASSED_ON = (LIB_INPUT, MERGE_INPUT)
"""What another job of the task has written for this one; no catalogue knows it."""


def reads(session: Session, pilot_id: int, endpoint: str, path: str) -> bool:
    """Whether a job that the pilot has now reads the file at this place."""
    if _has(session, pilot_id, endpoint, path, _PASSED_ON):
        return True
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
    return _has(session, pilot_id, endpoint, path, _WRITTEN, Job.reported_state == "")


def _has(
    session: Session, pilot_id: int, endpoint: str, path: str, kinds: Sequence[str], *more: Any
) -> bool:
    """Whether a job that the pilot has now holds this file of its task, as one of these kinds."""
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
            col(JobFile.kind).in_(kinds),
            Dataset.name == dataset,
            File.lfn == lfn,
            StorageEndpoint.name == endpoint,
            *more,
        )
        .limit(1)
    )
    return session.exec(query).first() is not None
