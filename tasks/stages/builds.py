"""Build jobs: one a queue for a task that builds; its run jobs there wait until it finished.

(spec/lifecycle.md, Kinds of job; documentation, 4.1.2 "Running with input files and a separate
build step".)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select, update
from sqlmodel import Session

from broker.priority import BUILD as BUILD_PRIORITY
from broker.values import Ranking
from tasks.output_names import build_lfn
from tasks.stages.asking import Needs
from tasks.stages.giving_up import give_up
from tasks.stages.select import datasets_of
from tasks.stages.stage import Act
from tasks.stages.wall_limits import walltimes_at
from tasks.statuses import LIB_INPUT, DatasetKind, FileStatus, JobKind, JobStatus
from tasks.store.bulk import id_in, insert_rows
from tasks.store.configuration import values
from tasks.store.ids import take_ids
from tasks.store.moves import database_time
from tasks.store.tables import BUILD, DATASET, QUEUE
from tasks.tables import Build, Dataset, File, Job, JobFile, Task
from tasks.tagging import resource_type
from tasks.thresholds import Builds


@dataclass(frozen=True, slots=True)
class Libs:
    """What builds have come to at some queues: the lib files of those that are done, by queue;
    and the queues whose run jobs have to wait.
    """

    files: Mapping[int, int] = field(default_factory=dict)
    awaited: frozenset[int] = frozenset()
    dataset_id: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A build job to be written: where, and which one it follows."""

    queue_id: int
    attempt_nr: int = 1
    retry_of: int | None = None


def libs_at(act: Act, task: Task, queue_ids: Collection[int], datasets: Sequence[Dataset]) -> Libs:
    """The libs of a task at these queues, where run jobs are about to be written.

    Where nothing was built yet, a build job is written. Empty for a task that builds nothing.
    """
    lib = next((d for d in datasets if d.kind == DatasetKind.LIB), None)
    if lib is None:
        return Libs()
    rows = act.session.connection().execute(
        select(BUILD.c.queue_id, BUILD.c.lib_file_id)
        .where(BUILD.c.task_id == task.id, id_in(BUILD.c.queue_id, queue_ids, act.session))
    )  # fmt: skip
    known: dict[int, int | None] = {row[0]: row[1] for row in rows}
    new = sorted(set(queue_ids) - known.keys())
    job_ids = write_build_jobs(act.session, task, [Attempt(i) for i in new])
    insert_rows(
        act.session, Build, ("task_id", "queue_id", "job_id"),
        [(task.id, queue_id, job_id) for queue_id, job_id in zip(new, job_ids, strict=True)],
    )  # fmt: skip
    done = {queue_id: file_id for queue_id, file_id in known.items() if file_id is not None}
    return Libs(done, frozenset(queue_ids) - done.keys(), lib.id)


def use_libs(session: Session, libs: Libs, jobs: Iterable[tuple[int, int]]) -> None:
    """Note which lib file new run jobs, given as (job id, queue id), unpack: where it is done."""
    insert_rows(
        session, JobFile, ("job_id", "file_id"),
        [(job_id, libs.files[queue_id]) for job_id, queue_id in jobs if queue_id in libs.files],
        same={"dataset_id": libs.dataset_id, "kind": LIB_INPUT},
    )  # fmt: skip


def write_build_jobs(session: Session, task: Task, attempts: Sequence[Attempt]) -> Sequence[int]:
    """Insert build jobs, activated, with their lib and log; gives their ids."""
    if not attempts:
        return ()
    job_ids = take_ids(session, "job", len(attempts))
    needs = build_needs(session, task)
    walltimes = walltimes_at(session, {a.queue_id for a in attempts}, needs.walltime_seconds)
    insert_rows(
        session, Job, ("id", "queue_id", "attempt_nr", "retry_of", "walltime_seconds"),
        [(i, a.queue_id, a.attempt_nr, a.retry_of, walltimes[a.queue_id])
         for i, a in zip(job_ids, attempts, strict=True)],
        now=database_time(session),
        same={"task_id": task.id, "kind": str(JobKind.BUILD), "status": str(JobStatus.ACTIVATED),
              "share_name": task.share_name, "priority": max(BUILD_PRIORITY, task.priority),
              "resource_type": resource_type(session, needs.core_count, needs.memory_mb),
              "core_count": needs.core_count, "memory_mb": needs.memory_mb,
              "disk_mb": needs.disk_mb},
    )  # fmt: skip
    for dataset in datasets_of(session, task.id, DatasetKind.LIB, DatasetKind.LOG):
        _add_files(session, task, dataset, job_ids)
    return job_ids


def _add_files(session: Session, task: Task, dataset: Dataset, job_ids: Sequence[int]) -> None:
    file_ids = take_ids(session, "file", len(job_ids))
    lfns = [build_lfn(task.user_name, task.id, i, dataset.local_name) for i in job_ids]
    insert_rows(
        session, File, ("id", "job_id", "lfn"), zip(file_ids, job_ids, lfns, strict=True),
        same={"dataset_id": dataset.id, "status": str(FileStatus.DEFINED)},
    )  # fmt: skip
    insert_rows(
        session, JobFile, ("job_id", "file_id"), zip(job_ids, file_ids, strict=True),
        same={"dataset_id": dataset.id, "kind": dataset.kind},
    )  # fmt: skip
    c = DATASET.c
    session.connection().execute(
        update(DATASET).where(c.id == dataset.id)
        .values(n_files=c.n_files + len(job_ids), n_files_used=c.n_files_used + len(job_ids))
    )  # fmt: skip


def build_needs(session: Session, task: Task) -> Needs:
    """What a build job asks for: one core and little else, and never more than the task's own
    jobs: where they fit, it does.
    """
    most = values(session).of(Builds, activity=task.activity)
    return Needs(
        core_count=1, memory_mb=min(most.memory_mb, task.memory_mb),
        disk_mb=min(most.disk_mb, task.disk_mb),
        walltime_seconds=min(most.walltime_seconds, task.walltime_seconds),
    )  # fmt: skip


def failed_builds(session: Session, task_id: int) -> dict[str, str]:
    """The queues at which the task's build has failed for good, and why."""
    rows = session.connection().execute(
        select(QUEUE.c.name, BUILD.c.reason).join(QUEUE, QUEUE.c.id == BUILD.c.queue_id)
        .where(BUILD.c.task_id == task_id, BUILD.c.reason != "")
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def forget_builds(session: Session, task_id: int, *, only_failed: bool) -> None:
    """Let a task build again: where it failed, or everywhere."""
    mine = BUILD.c.task_id == task_id
    session.connection().execute(
        delete(BUILD).where(mine, BUILD.c.reason != "" if only_failed else mine)
    )


def nowhere_to_build(ranking: Ranking) -> str:
    """Why no queue is left for a task: its build failed at each that could have taken its jobs.

    Empty where some queue takes them, or may yet.
    """
    refused = ranking.rejections
    failed = [no.reason for no in refused if no.rule == "build_failed"]
    if ranking.ranked or not failed or any(no.passes for no in refused):
        return ""
    return "; ".join(failed[:3])


def give_up_unbuilt(act: Act, datasets: Sequence[Dataset]) -> int:
    """The input that no job has fails: nowhere can its jobs be built. Gives how many files."""
    return give_up(act.session, [dataset.id for dataset in datasets if dataset.is_primary])
