"""Names of flow runs: what people look for is in them (tags would cost two seconds a call)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from culm.core.clock import utc_now
from flows.duty import DUTY

IDS_SHOWN = 20


def shift_title(agent: str, owner: str, now: datetime) -> str:
    """`refine shift host:4711:ab12 2026-05-01 12:00:07`."""
    return f"{agent} shift {owner} {now:%Y-%m-%d %H:%M:%S}"


def ids_title(agent: str, ids: list[int]) -> str:
    """`refine 10000001,10000002`; past 20 ids only how many more: each has a task run anyway."""
    shown = ",".join(str(i) for i in ids[:IDS_SHOWN])
    more = len(ids) - IDS_SHOWN
    return f"{agent} {shown}" + (f" and {more} more" if more > 0 else "")


def stage_run_name() -> str:
    """The name of the run of a stage's flow that is starting; Prefect calls this."""
    duty = DUTY.get()
    if duty is not None:
        return duty.title
    name, parameters = _flow_and_parameters()
    ids = parameters.get("task_ids") or parameters.get("workflow_ids")
    return ids_title(name, ids) if ids else f"{name} {utc_now():%Y-%m-%d %H:%M:%S}"


def _flow_and_parameters() -> tuple[str, dict[str, Any]]:
    from prefect.runtime import flow_run

    return str(flow_run.flow_name), dict(flow_run.parameters)
