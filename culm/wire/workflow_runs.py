"""Workflows that run: what submits one, and what the server shows of them and of their steps.

Times are ISO 8601 strings in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from culm.core import names
from culm.wire.workflows import WorkflowBundle

_LONG = {"multiline": True, "longest": 8 << 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSubmission:
    """A workflow to be run; `sandbox` holds the files that all of its tasks get."""

    bundle: WorkflowBundle
    sandbox: str | None = field(
        default=None, metadata={"pattern": names.DIGEST, "rule": "a SHA-256 digest"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowAccepted:
    """The answer to a submission; `created` is False where the idempotency key was known."""

    workflow_id: int
    name: str
    status: str
    created: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowView:
    """A workflow. `reason` names the steps that failed, with branch, iteration and cause.

    `version` rises with every change that a watcher may care about, `round` with every retry;
    `step_counts` maps a status to how many instances of steps are in it. `outputs` are there once
    it has ended.
    """

    workflow_id: int
    name: str
    user: str
    status: str
    final: bool
    reason: str
    version: int
    round: int
    created_at: str
    modified_at: str
    started_at: str | None = None
    ended_at: str | None = None
    step_counts: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict, metadata=_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowList:
    """A page of workflows, newest first; `next` is the `before` of the next page, if any."""

    workflows: tuple[WorkflowView, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """An instance of a step: one a scatter branch and an iteration.

    `path` says where it is (`work_loop#2/merge`: iteration 2), `place` is the line that declares
    it, `parents` are the instances that it takes from. `decision` is what a junction decided.
    """

    step_id: int
    instance: str
    path: str
    step: str
    kind: str
    place: str
    status: str
    reason: str
    created_at: str
    ended_at: str | None = None
    task_id: int | None = None
    task_status: str = ""
    parents: tuple[str, ...] = ()
    decision: dict[str, Any] = field(default_factory=dict, metadata=_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepList:
    """A page of steps in order of their start; `next` is the `after` of the next page, if any."""

    steps: tuple[StepView, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A step as the documents declare it, with its instances counted by status.

    `path` has no branches and iterations in it: alike instances share a node.
    """

    path: str
    kind: str
    place: str
    is_scattered: bool = False
    is_loop: bool = False
    has_condition: bool = False
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEdge:
    """`child` takes from `parent`; `again`: the way back in a loop."""

    parent: str
    child: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowGraph:
    """The graph of a workflow, sub-workflows unfolded; nodes after those that they take from."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCommandAnswer:
    """The answer to a command that a workflow takes."""

    workflow_id: int
    message: str
