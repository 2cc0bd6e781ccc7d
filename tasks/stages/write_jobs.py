"""Drafts become rows: jobs, their files and their outputs, in bulk; input files become picked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from broker.priority import of_scout
from tasks.lifecycles import FileEvent
from tasks.output_names import OutputPlan, lfn
from tasks.stages.asking import Needs
from tasks.stages.builds import libs_at, use_libs
from tasks.stages.drafts import Draft, secondary_slice
from tasks.stages.priorities import priorities_of
from tasks.stages.settle_runs import CATALOGUED
from tasks.stages.stage import Act
from tasks.stages.wall_limits import walltimes_at
from tasks.statuses import UNMERGED, DatasetKind, FileStatus, JobKind, JobStatus
from tasks.store.bulk import id_in, insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import database_time, move_files
from tasks.store.tables import DATASET, FILE
from tasks.tables import Dataset, File, Job, JobFile, Task

DEFINED, ACTIVATED = str(JobStatus.DEFINED), str(JobStatus.ACTIVATED)
LOGS = (str(DatasetKind.LOG), str(DatasetKind.TMPL_LOG))
_PICK = (
    update(FILE)
    .where(FILE.c.id == bindparam("file"))
    .values(job_id=bindparam("job"), attempt_nr=FILE.c.attempt_nr + 1)
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs to be written: their drafts, what each asks for, and whether they are scouts."""

    drafts: Sequence[Draft]
    needs: Needs
    are_scouts: bool


def write_jobs(act: Act, task: Task, batch: Batch, datasets: Sequence[Dataset]) -> None:
    """Insert the jobs of a batch, and everything that hangs on them.

    They are activated, but for those that have to wait for a build at their queue.
    """
    drafts = batch.drafts
    libs = libs_at(act, task, {d.queue_id for d in drafts}, datasets)
    job_ids = take_ids(act.session, "job", len(drafts))
    priorities = priorities_of(act.session, task, len(drafts))
    if batch.are_scouts:
        priorities = [of_scout(priority) for priority in priorities]
    needs = batch.needs
    walltimes = walltimes_at(act.session, {d.queue_id for d in drafts}, needs.walltime_seconds)
    insert_rows(
        act.session, Job,
        ("id", "attempt_nr", "retry_of", "queue_id", "serial_nr", "sequence_nr", "first_event",
         "max_events", "skip_events", "priority", "walltime_seconds", "status"),
        [(job_id, d.attempt_nr, d.chunk.retry_of, d.queue_id, d.serial_nr, d.sequence_nr,
          d.first_event, d.max_events, d.skip_events, priority, walltimes[d.queue_id],
          DEFINED if d.queue_id in libs.awaited else ACTIVATED)
         for job_id, d, priority in zip(job_ids, drafts, priorities, strict=True)],
        now=database_time(act.session),
        same={"task_id": task.id, "kind": str(JobKind.SCOUT if batch.are_scouts else JobKind.RUN),
              "share_name": task.share_name, "resource_type": task.resource_type,
              "core_count": needs.core_count, "memory_mb": needs.memory_mb,
              "disk_mb": needs.disk_mb},
    )  # fmt: skip
    use_libs(act.session, libs, zip(job_ids, (d.queue_id for d in drafts), strict=True))
    _pick_inputs(act, drafts, job_ids, datasets)
    secondaries: dict[str, list[Dataset]] = defaultdict(list)
    written = written_by_runs(datasets)
    for dataset in datasets:
        if dataset.kind in written:
            _add_outputs(act, task, drafts, job_ids, dataset)
        elif dataset.kind == DatasetKind.INPUT and not dataset.is_primary:
            secondaries[dataset.stream].append(dataset)
    for some in secondaries.values():
        _add_secondaries(act, drafts, job_ids, some)


def written_by_runs(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """The kinds of dataset that a task's run jobs write: its own, or those that are merged."""
    merges = any(dataset.kind == DatasetKind.TMPL_LOG for dataset in datasets)
    return UNMERGED if merges else CATALOGUED


def _pick_inputs(
    act: Act, drafts: Sequence[Draft], job_ids: Sequence[int], datasets: Sequence[Dataset]
) -> None:
    kinds = {d.id: d.kind for d in datasets if d.is_primary}
    jobs = zip(job_ids, drafts, strict=True)
    pairs = [(job_id, file.file_id) for job_id, d in jobs for file in d.chunk.files]
    picked = [file_id for _, file_id in pairs]
    owner: dict[int, int] = {
        row[0]: row[1]
        for row in act.session.connection().execute(
            select(FILE.c.id, FILE.c.dataset_id).where(id_in(FILE.c.id, picked, act.session))
        )
    }
    insert_rows(
        act.session, JobFile, ("job_id", "file_id", "dataset_id", "kind"),
        [(job_id, file_id, owner[file_id], kinds[owner[file_id]]) for job_id, file_id in pairs],
    )  # fmt: skip
    act.session.connection().execute(_PICK, [{"file": f, "job": j} for j, f in pairs])
    moved = move_files(act.session, id_in(FILE.c.id, picked, act.session), FileEvent.PICKED)
    if moved != len(picked):
        raise RuntimeError(f"task {act.task_id}: {len(picked) - moved} files were not ready")
    for dataset_id, count in Counter(owner.values()).items():
        _count_used(act, dataset_id, count)


def _count_used(act: Act, dataset_id: int, used: int, new: int = 0) -> None:
    act.session.connection().execute(
        update(DATASET).where(DATASET.c.id == dataset_id)
        .values(n_files_used=DATASET.c.n_files_used + used, n_files=DATASET.c.n_files + new)
    )  # fmt: skip


def _add_secondaries(
    act: Act, drafts: Sequence[Draft], job_ids: Sequence[int], stream: Sequence[Dataset]
) -> None:
    """The files of one secondary stream, whose datasets are one after the other."""
    owner: dict[int, int] = {
        row[0]: row[1]
        for row in act.session.connection().execute(
            select(FILE.c.id, FILE.c.dataset_id)
            .where(id_in(FILE.c.dataset_id, [d.id for d in stream], act.session))
            .order_by(FILE.c.dataset_id, FILE.c.id)
        )
    }  # fmt: skip
    files, per_job = list(owner), stream[0].n_files_per_job or 1
    insert_rows(
        act.session, JobFile, ("job_id", "file_id", "dataset_id"),
        ((job_id, file_id, owner[file_id]) for job_id, d in zip(job_ids, drafts, strict=True)
         for file_id in secondary_slice(files, per_job, d.sequence_nr)),
        same={"kind": stream[0].kind},
    )  # fmt: skip


def _add_outputs(
    act: Act, task: Task, drafts: Sequence[Draft], job_ids: Sequence[int], dataset: Dataset
) -> None:
    plan = OutputPlan(dataset.name, dataset.local_name, dataset.kind in LOGS)
    file_ids = take_ids(act.session, "file", len(drafts))
    name, user, task_id = task.name, task.user_name, task.id
    insert_rows(
        act.session, File, ("id", "job_id", "lfn"),
        ((file_id, job_id, lfn(name, user, task_id, d.serial_nr, plan))
         for job_id, file_id, d in zip(job_ids, file_ids, drafts, strict=True)),
        same={"dataset_id": dataset.id, "status": str(FileStatus.DEFINED),
              "max_attempts": task.max_attempts},
    )  # fmt: skip
    insert_rows(
        act.session, JobFile, ("job_id", "file_id"), zip(job_ids, file_ids, strict=True),
        same={"dataset_id": dataset.id, "kind": dataset.kind},
    )  # fmt: skip
    _count_used(act, dataset.id, len(drafts), new=len(drafts))
