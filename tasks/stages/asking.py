"""What a task asks for, from its specification and from what its scouts taught."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from sqlmodel import Session

from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec
from tasks.scouting import Asked
from tasks.sizing import Given
from tasks.tables import Dataset, Task, TaskScouting


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one job asks for.

    `walltime_is_firm`: it must have all of its wall time, whatever scouts took: the attempt
    before ran out of it.
    """

    core_count: int
    memory_mb: int
    disk_mb: int
    walltime_seconds: int
    walltime_is_firm: bool = False

    @property
    def columns(self) -> dict[str, int]:
        """The columns of a job's row that say so."""
        return {"core_count": self.core_count, "memory_mb": self.memory_mb,
                "disk_mb": self.disk_mb, "walltime_seconds": self.walltime_seconds}  # fmt: skip


def needs_of(task: Task) -> Needs:
    """What the jobs of a task ask for, those apart that are tried again."""
    return Needs(
        core_count=task.core_count, memory_mb=task.memory_mb, disk_mb=task.disk_mb,
        walltime_seconds=task.walltime_seconds,
    )  # fmt: skip


def with_needs(task: Task, needs: Needs) -> Task:
    """The task as brokerage should see it for jobs of these needs; not a row of the books."""
    return Task(**(task.model_dump() | needs.columns))


def given_of(spec: TaskSpec, dataset: Dataset) -> Given:
    """What the owner says of the size of jobs over a primary dataset."""
    return Given(
        n_files_per_job=dataset.n_files_per_job,
        n_gb_per_job=spec.n_gb_per_job,
        n_events_per_job=spec.n_events_per_job,
        max_files_per_job=spec.max_files_per_job,
    )


def asked_by(spec: TaskSpec) -> Asked:
    """What the owner asked for. CPU time is brought to HS06 seconds, memory to MB a core."""
    unit, cpu_time = spec.cpu_time_unit, spec.cpu_time
    has_size = (spec.n_jobs, spec.n_files_per_job, spec.n_gb_per_job, spec.n_events_per_job)
    return Asked(
        core_count=spec.core_count,
        ram_count_mb=(spec.memory_mb - spec.base_memory_mb) / spec.core_count,
        ram_count_is_fixed=spec.ram_count_unit.is_fixed,
        base_ram_mb=float(spec.base_memory_mb),
        cpu_time=None if cpu_time is None else cpu_time * unit.seconds,
        cpu_time_is_fixed=unit.is_fixed,
        cpu_efficiency=spec.cpu_efficiency,
        base_seconds=spec.base_time_seconds,
        output_mb_per_event=spec.out_disk_mb_per_event,
        work_disk_mb=spec.work_disk_mb,
        min_cpu_efficiency=spec.min_cpu_efficiency,
        size_is_given=any(has_size) or not spec.inputs,
        n_gb_per_job=spec.n_gb_per_job,
        target_output_gb=spec.tgt_max_output_gb,
    )


def scouting_of(session: Session, task_id: int) -> TaskScouting | None:
    """How far the task's scouting is; None if it has had no scouts."""
    return session.get(TaskScouting, task_id, populate_existing=True)


def asked_now(state: TaskScouting | None, spec: TaskSpec) -> Asked:
    """What is in force: what the scouts taught, else what the owner asked for."""
    return asked_by(spec) if state is None else decode(Asked, state.asked, "scouting")


def memory_mb(asked: Asked) -> int:
    """The memory of a whole job: baseRamCount + ramCount x coreCount (documentation, 15.2)."""
    return ceil(asked.base_ram_mb + asked.ram_count_mb * asked.core_count)
