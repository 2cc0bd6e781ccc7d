"""Jobs as PanDA's client reads them: JobSpec dictionaries with their files, in bulk."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import Session

from tasks.statuses import DatasetKind, JobKind, JobStatus
from tasks.store.bulk import id_in
from tasks.store.tables import DATASET, FILE, JOB, JOB_FILE, METADATA, QUEUE, TASK

UNSUCCESSFUL = (str(JobStatus.FAILED), str(JobStatus.CANCELLED), str(JobStatus.CLOSED))
MOST_JOBS = 10_000
TRANSFORMS = {JobKind.BUILD: "buildGen", JobKind.MERGE: "runMerge"}
_SCOPE = "user"
_PSEUDO = "pseudo_input"
FILE_TYPES = {
    str(DatasetKind.SEQ_NUMBER): _PSEUDO,
    str(DatasetKind.TMPL_OUTPUT): "output",
    str(DatasetKind.TMPL_LOG): "log",
}
"""What PanDA calls a kind of file that we call otherwise."""


def job_rows(session: Session, job_ids: Sequence[int]) -> list[dict[str, Any] | None]:
    """The jobs in the order given; None for one that is not there."""
    rows = _rows(session, job_ids)
    files = _files(session, [row.id for row in rows])
    found = {row.id: _shown(row, files[row.id]) for row in rows}
    return [found.get(job_id) for job_id in job_ids]


def job_ids_of(session: Session, task_id: int, unsuccessful_only: bool = False) -> list[int]:
    """The jobs of a task, oldest first."""
    query = select(JOB.c.id).where(JOB.c.task_id == task_id).order_by(JOB.c.id)
    if unsuccessful_only:
        query = query.where(JOB.c.status.in_(UNSUCCESSFUL))
    return list(session.connection().execute(query.limit(MOST_JOBS)).scalars())


def user_metadata(session: Session, task_id: int) -> dict[str, Any]:
    """What the jobs of a task left about themselves (userJobMetadata.json), by job."""
    rows = session.connection().execute(
        select(METADATA.c.job_id, METADATA.c.user_metadata)
        .join(JOB, JOB.c.id == METADATA.c.job_id)
        .where(JOB.c.task_id == task_id, JOB.c.status == str(JobStatus.FINISHED),
               METADATA.c.user_metadata.is_not(None))
        .order_by(METADATA.c.job_id)
    )  # fmt: skip
    return {str(job_id): _parsed(text) for job_id, text in rows}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # a pilot of another make may have sent what is no JSON


def _rows(session: Session, job_ids: Sequence[int]) -> Sequence[Row[Any]]:
    query = (
        select(JOB, TASK.c.name.label("task_name"), TASK.c.user_name, TASK.c.activity,
               TASK.c.working_group, QUEUE.c.name.label("queue"), METADATA.c.metrics)
        .join(TASK, TASK.c.id == JOB.c.task_id)
        .outerjoin(QUEUE, QUEUE.c.id == JOB.c.queue_id)
        .outerjoin(METADATA, METADATA.c.job_id == JOB.c.id)
        .where(id_in(JOB.c.id, job_ids, session))
    )  # fmt: skip
    return session.connection().execute(query).all()


def _shown(row: Row[Any], files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    metrics = {n: v for n, v in (row.metrics or {}).items() if isinstance(v, int | float)}
    kinds = [file["type"] for file in files]
    return {
        "PandaID": row.id, "jediTaskID": row.task_id, "taskID": row.task_id,
        "jobDefinitionID": row.task_id, "jobsetID": row.task_id, "reqID": row.task_id,
        "jobName": f"{row.task_name}.{row.id}", "jobStatus": row.status,
        "jobSubStatus": None, "attemptNr": row.attempt_nr, "maxAttempt": row.attempt_nr,
        "parentID": row.retry_of, "computingSite": row.queue, "destinationSite": row.queue,
        "creationTime": row.created_at, "modificationTime": row.modified_at,
        "stateChangeTime": row.modified_at, "startTime": row.started_at, "endTime": row.ended_at,
        "modificationHost": row.node or None, "transformation": TRANSFORMS.get(row.kind, "runGen"),
        "prodSourceLabel": "panda" if row.kind == JobKind.BUILD else row.activity,
        "processingType": row.kind, "prodUserName": row.user_name, "prodUserID": row.user_name,
        "workingGroup": row.working_group or None, "gshare": row.share_name,
        "resource_type": row.resource_type, "currentPriority": row.priority,
        "assignedPriority": row.priority, "coreCount": row.core_count,
        "minRamCount": row.memory_mb, "minRamUnit": "MB", "maxDiskCount": row.disk_mb,
        "maxDiskUnit": "MB", "maxWalltime": row.walltime_seconds,
        "transExitCode": row.exit_code, "pilotErrorCode": row.pilot_error_code,
        "pilotErrorDiag": row.pilot_error_diag or None,
        "jobDispatcherErrorCode": row.server_error_code,
        "jobDispatcherErrorDiag": row.server_error_diag or None,
        "commandToPilot": "tobekilled" if row.kill_reason else None,
        "cpuConsumptionTime": metrics.get("cpu_seconds"),
        "maxPSS": _kilobytes(metrics.get("max_pss_mb")),
        "nInputFiles": kinds.count("input"), "nInputDataFiles": kinds.count("input"),
        "nOutputDataFiles": kinds.count("output"),
        "Files": files,
    }  # fmt: skip


def _kilobytes(megabytes: float | None) -> int | None:
    return None if megabytes is None else round(megabytes * 1024)


def _files(session: Session, job_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    rows = session.connection().execute(
        select(JOB_FILE.c.job_id, JOB_FILE.c.kind, JOB_FILE.c.size_bytes, JOB_FILE.c.adler32,
               FILE.c.id, FILE.c.lfn, FILE.c.status, FILE.c.attempt_nr,
               FILE.c.size_bytes.label("whole_bytes"), FILE.c.adler32.label("whole_adler32"),
               DATASET.c.id.label("dataset_id"), DATASET.c.name, DATASET.c.task_id)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .join(DATASET, DATASET.c.id == JOB_FILE.c.dataset_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session))
        .order_by(JOB_FILE.c.job_id, JOB_FILE.c.file_id)
    )  # fmt: skip
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        checksum = row.adler32 or row.whole_adler32
        found[row.job_id].append({
            "row_ID": row.id, "PandaID": row.job_id, "GUID": None, "lfn": row.lfn,
            "type": FILE_TYPES.get(row.kind, row.kind), "dataset": row.name, "status": row.status,
            "prodDBlock": row.name, "destinationDBlock": row.name,
            "fsize": row.whole_bytes if row.size_bytes is None else row.size_bytes,
            "checksum": f"ad:{checksum}" if checksum else None, "scope": _SCOPE,
            "jediTaskID": row.task_id, "datasetID": row.dataset_id, "fileID": row.id,
            "attemptNr": row.attempt_nr,
        })  # fmt: skip
    return found
