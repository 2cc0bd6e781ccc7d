"""What simulations came to, as tables and as one JSON value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from broker.simulation.results import Figures
from broker.simulation.workload import Workload
from broker.simulation.world import World
from culm.cli.render import print_table

_COLUMNS = (
    ("mean wait (s)", "mean_wait_seconds", "{:.0f}"),
    ("p95 wait (s)", "p95_wait_seconds", "{:.0f}"),
    ("slowdown", "bounded_slowdown", "{:.2f}"),
    ("share deviation", "share_deviation", "{:.3f}"),
    ("remote", "remote_fraction", "{:.2f}"),
    ("makespan (s)", "makespan_seconds", "{:.0f}"),
    ("failed", "n_failed", "{}"),
    ("not ended", "n_not_ended", "{}"),
    ("us a decision", "decision_microseconds", "{:.0f}"),
)


def print_results(results: Sequence[Figures]) -> None:
    """Print a row for each policy."""
    heads = ("policy", *(head for head, _, _ in _COLUMNS))
    print_table(heads, ((f.policy, *_cells(f)) for f in results))


def print_comparison(before: Sequence[Figures], after: Sequence[Figures]) -> None:
    """Print, for each policy, a row a figure: before, after, and the change in per cent."""
    rows = []
    for old, new in zip(before, after, strict=True):
        for (head, field, _), was, is_ in zip(_COLUMNS, _cells(old), _cells(new), strict=True):
            change = _change(getattr(old, field), getattr(new, field))
            rows.append((old.policy, head, was, is_, change))
    print_table(("policy", "figure", "before", "after", "change"), rows)


def as_document(
    world: World, work: Workload, after: Sequence[Figures], before: Sequence[Figures]
) -> dict[str, Any]:
    """Everything as one value; `before` only if two worlds are compared."""
    tasks = work.tasks
    period = tasks[-1].submitted_seconds - tasks[0].submitted_seconds
    document: dict[str, Any] = {
        "n_queues": len(world.queues),
        "n_slots": sum(queue.slots for queue in world.queues),
        "view_seconds": world.view_seconds,
        "n_tasks": len(tasks),
        "n_jobs": work.n_jobs,
        "load": work.work / (world.power * period) if period > 0 else None,
        "results": [asdict(found) for found in after],
    }
    if before:
        document["before"] = [asdict(found) for found in before]
    return document


def _cells(found: Figures) -> list[str]:
    return [form.format(getattr(found, field)) for _, field, form in _COLUMNS]


def _change(old: float, new: float) -> str:
    return f"{(new - old) / old:+.0%}" if old else ""
