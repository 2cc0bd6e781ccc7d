"""What is written beside a step of a graph, and the colour that it has."""

from __future__ import annotations

from collections.abc import Mapping

from culm.wire.workflow_runs import GraphNode

WORST_FIRST = (
    "failed",
    "aborted",
    "finished",
    "producing",
    "submitted",
    "waiting",
    "done",
    "unused",
)
"""The status that a node with several instances shows."""


def status_of(node: GraphNode) -> str:
    """The status that a node shows; empty if none of its instances has started."""
    return next((status for status in WORST_FIRST if node.counts.get(status)), "")


def marks_of(node: GraphNode) -> str:
    """Signs for what a step is: scattered, in a loop, under a condition."""
    signs = [("×", node.is_scattered), ("↻", node.is_loop), ("?", node.has_condition)]
    return "".join(sign for sign, there in signs if there)


def counts_of(node: GraphNode) -> str:
    """How many instances are in which status: `done`, or `3 done, 1 failed`."""
    return counted(node.counts) or "not started"


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words; one thing alone is just its status."""
    if sum(counts.values()) == 1:
        return next(status for status, count in counts.items() if count)
    return ", ".join(f"{n} {status}" for status, n in sorted(counts.items()) if n)
