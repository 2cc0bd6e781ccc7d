"""Prefect, and only here: stage flows, lifecycle flows, daemon flows, and the shifts.

`from flows import refine, feed, generate, run_task, wait_for_task` gives flows for use inside a
flow of your own. Prefect is imported when one of them is first asked for, not before. (The flow
of the stage `command` is `flows.stages.command`: here that name is the module of `culm daemon`.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.lifecycle import run_task, wait_for_task
    from flows.stages import assign, collect, feed, generate, post_process, refine, retry

__all__ = [
    "assign", "collect", "feed", "generate", "post_process", "refine", "retry", "run_task",
    "wait_for_task",
]  # fmt: skip

_LIFECYCLE = ("run_task", "wait_for_task")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    module = "flows.lifecycle" if name in _LIFECYCLE else "flows.stages"
    return getattr(importlib.import_module(module), name)
