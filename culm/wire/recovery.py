"""Recovery of output that was lost, and the metadata that a task's jobs left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from culm.core import names


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRequest:
    """What is to be recovered: all output of a task, that of one dataset, or files by name.

    Files that are named are taken for lost; others are if they are not in a storage that the server
    can look into. With `dry_run` nothing is changed.
    """

    dry_run: bool = False
    dataset: str | None = field(
        default=None, metadata={"pattern": names.DATASET, "rule": "a dataset's name"}
    )
    files: tuple[str, ...] = field(
        default=(), metadata={"pattern": names.LFN, "rule": names.LFN_RULE}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LostFile:
    """An output that is not where it should be, and the job that had written it."""

    dataset: str
    lfn: str
    job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAnswer:
    """What was found and, unless it was a dry run, what is produced again.

    `n_checked` files were looked for; `n_unchecked` are where the server cannot look. `n_inputs`
    inputs of `n_jobs` jobs are processed again; `also_replaced` are the other outputs of these
    jobs, which come anew, too.
    """

    task_id: int
    dry_run: bool
    n_checked: int
    n_unchecked: int
    n_jobs: int
    n_inputs: int
    lost: tuple[LostFile, ...] = ()
    also_replaced: tuple[LostFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetadata:
    """What a job wrote into `userJobMetadata.json`."""

    job_id: int
    status: str
    metadata: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetadataList:
    """The metadata of a task's jobs in order of id; `next` is the `after` of the next page."""

    jobs: tuple[JobMetadata, ...]
    next: int | None = None
