"""What simulations came to, as tables and as one JSON value."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from broker.simulation.results import Figures
from broker.simulation.workload import Workload
from broker.simulation.world import World
from culm.cli.render import is_terminal, print_table

_COLUMNS = (
    ("mean\nwait s", "mean_wait_seconds", "{:.0f}"),
    ("p95\nwait s", "p95_wait_seconds", "{:.0f}"),
    ("slowdown", "bounded_slowdown", "{:.2f}"),
    ("share\ndeviation", "share_deviation", "{:.3f}"),
    ("remote", "remote_fraction", "{:.2f}"),
    ("makespan\ns", "makespan_seconds", "{:.0f}"),
    ("failed", "n_failed", "{}"),
    ("not\nended", "n_not_ended", "{}"),
    ("us a\njob", "decision_microseconds", "{:.0f}"),
)
_FAILURES = ("n_failed", "n_not_ended")


def print_results(results: Sequence[Figures]) -> None:
    """Print a row for each policy. Programs that read it get every column; people, on a screen
    of 80, not those of failures when there were none.
    """
    shown = [
        place for place, (_, field, _) in enumerate(_COLUMNS)
        if field not in _FAILURES or not is_terminal(sys.stdout)
        or any(getattr(found, field) for found in results)
    ]  # fmt: skip
    heads = ("policy", *(_COLUMNS[place][0] for place in shown))
    rows = [(f.policy, _cells(f)) for f in results]
    print_table(heads, ((name, *(cells[place] for place in shown)) for name, cells in rows))


def print_comparison(before: Sequence[Figures], after: Sequence[Figures]) -> None:
    """Print, for each policy, a row a figure: before, after, and the change in per cent."""
    rows = []
    for old, new in zip(before, after, strict=True):
        for (head, field, _), was, is_ in zip(_COLUMNS, _cells(old), _cells(new), strict=True):
            change = _change(getattr(old, field), getattr(new, field))
            rows.append((old.policy, head.replace("\n", " "), was, is_, change))
    print_table(("policy", "figure", "before", "after", "change"), rows)


def as_document(
    world: World, work: Workload, after: Sequence[Figures], before: Sequence[Figures]
) -> dict[str, Any]:
    """Everything as one value; `before` only if two worlds are compared."""
    document: dict[str, Any] = {
        "n_queues": len(world.queues),
        "n_slots": sum(queue.slots for queue in world.queues),
        "view_seconds": world.view_seconds,
        "n_tasks": len(work.tasks),
        "n_jobs": work.n_jobs,
        "load": load_of(world, work),
        "results": [asdict(found) for found in after],
    }
    if before:
        document["before"] = [asdict(found) for found in before]
    return document


def load_of(world: World, work: Workload) -> float | None:
    """Work sent over work that the world does meanwhile; None if all was sent at once."""
    period = work.tasks[-1].submitted_seconds - work.tasks[0].submitted_seconds
    return work.work / (world.power * period) if period > 0 else None


def _cells(found: Figures) -> list[str]:
    return [form.format(getattr(found, field)) for _, field, form in _COLUMNS]


def _change(old: float, new: float) -> str:
    return f"{(new - old) / old:+.0%}" if old else ""
