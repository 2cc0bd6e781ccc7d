"""Names of what a task writes (spec/client.md; documentation, 4.1.2)."""

from __future__ import annotations

from dataclasses import dataclass

from culm.core.names import archive_name, is_pattern
from culm.wire.task_spec import TaskSpec

LOG = "log.tgz"
LIB = "lib.tgz"
"""What a build leaves."""


UNMERGED = ".unmerged"
"""What the name of a dataset ends in whose files are merged into another."""


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """One kind of output: its dataset, and the name or pattern in the job's directory."""

    dataset: str
    local_name: str
    is_log: bool = False


def output_plans(spec: TaskSpec) -> list[OutputPlan]:
    """The datasets that a task writes: one for each output, and the log's, last."""
    base = spec.name.rstrip("/")
    plans = [OutputPlan(f"{base}_{final_name(name)}", name) for name in spec.outputs]
    return [*plans, OutputPlan(f"{base}.log", LOG, is_log=True)]


def final_name(local_name: str) -> str:
    """The last part of an output's catalogue name; a pattern's files become one tarball."""
    return archive_name(local_name) if is_pattern(local_name) else local_name


def build_lfn(user: str, task_id: int, job_id: int, local_name: str) -> str:
    """The name of a file of a build job, whose own number makes it unique."""
    return f"user.{user}.{task_id}.build{job_id}.{local_name}"


def lfn(task_name: str, user: str, task_id: int, serial_nr: int, plan: OutputPlan) -> str:
    """The catalogue name of one job's output: unique, since each job has a serial of its own."""
    if plan.is_log:
        return f"{task_name.rstrip('/')}.log.{task_id}.{serial_nr:06d}.{LOG}"
    return f"user.{user}.{task_id}._{serial_nr:06d}.{final_name(plan.local_name)}"
