"""What the tasks of a simulation need, in the words of brokerage."""

from __future__ import annotations

from broker.simulation.view import CORE_POWER_AT_SPEED_ONE
from broker.simulation.workload import SimTask
from broker.values import Demand, InputAt


def demand_of(task: SimTask) -> Demand:
    """The demand of a task, with the run time that brokers expect."""
    n_jobs = len(task.work_seconds)
    total_mb = task.input_mb * n_jobs if task.sites else 0.0
    held = InputAt(size_mb=total_mb, n_files=n_jobs)
    return Demand(
        core_count=task.slots,
        cpu_seconds_per_event=task.expected_run_seconds * CORE_POWER_AT_SPEED_ONE * task.slots,
        cpu_efficiency=1.0,
        share=task.share,
        input_mb=task.input_mb,
        total_input_mb=total_mb,
        n_input_files=n_jobs if task.sites else 0,
        input_at=dict.fromkeys(task.sites, held),
    )
