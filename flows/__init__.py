"""Prefect, and only here: stage flows, lifecycle flows, daemon flows, and the shifts.

`from flows import refine, feed, run_task, run_workflow, …` gives flows for use inside a
flow of your own. Prefect is imported when one of them is first asked for, not before. (The flow
of the stage `command` is `flows.stages.command`: here that name is the module of `culm daemon`.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.lifecycle import run_task, wait_for_task
    from flows.stages import assign, collect, feed, generate, post_process, refine, retry
    from flows.workflow_run import run_workflow

__all__ = [
    "assign", "collect", "feed", "generate", "post_process", "refine", "retry", "run_task",
    "run_workflow", "wait_for_task",
]  # fmt: skip

_HOMES = {
    "run_task": "flows.lifecycle",
    "wait_for_task": "flows.lifecycle",
    "run_workflow": "flows.workflow_run",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "flows.stages")), name)
