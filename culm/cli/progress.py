"""Progress on standard error: bars on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from culm.cli.render import is_terminal, safe, say
from culm.wire.views import TaskView
from culm.wire.workflow_runs import WorkflowView

if TYPE_CHECKING:
    from rich.progress import Progress

OnTask = Callable[[TaskView], None]
OnWorkflow = Callable[[WorkflowView], None]
OnBytes = Callable[[int], None]


@contextmanager
def tasks_shown() -> Iterator[OnTask]:
    """A function that shows a task's progress each time it is told of a change."""
    if not is_terminal(sys.stderr):
        yield _line
        return
    with _bars("{task.fields[figures]}") as progress:
        bars: dict[int, Any] = {}

        def show(task: TaskView) -> None:
            bar = bars.setdefault(task.task_id, None)
            if bar is None:
                bar = bars[task.task_id] = progress.add_task("", total=None, figures="")
            progress.update(
                bar,
                description=_words(task),
                completed=task.n_files_finished + task.n_files_failed,
                total=task.n_files or None,
                figures=_figures(task),
            )

        yield show


@contextmanager
def workflows_shown() -> Iterator[OnWorkflow]:
    """A function that shows a workflow's progress each time it is told of a change."""
    last: dict[int, str] = {}

    def tell(view: WorkflowView) -> None:
        words = _workflow_words(view)
        if last.get(view.workflow_id) != words:
            last[view.workflow_id] = words
            say(words)

    if not is_terminal(sys.stderr):
        yield tell
        return
    with _bars("{task.fields[figures]}") as progress:
        bars: dict[int, Any] = {}

        def show(view: WorkflowView) -> None:
            if view.workflow_id not in bars:
                bars[view.workflow_id] = progress.add_task("", total=None, figures="")
            total = sum(view.step_counts.values())
            done = view.step_counts.get("done", 0)
            progress.update(bars[view.workflow_id], description=_workflow_words(view),
                            completed=done, total=total or None,
                            figures=f"{done}/{total} steps")  # fmt: skip

        yield show


def _workflow_words(view: WorkflowView) -> str:
    reason = f": {view.reason}" if view.reason and view.final else ""
    steps = ", ".join(f"{count} {status}" for status, count in sorted(view.step_counts.items()))
    head = f"{view.workflow_id} {view.name} {view.status}{reason}"
    return safe(head + f" ({steps})" * bool(steps))


@contextmanager
def bytes_shown(what: str, total_bytes: int) -> Iterator[OnBytes]:
    """A function to be told how many more bytes have gone by; silent off a terminal."""
    if not is_terminal(sys.stderr):
        yield lambda size_bytes: None
        return
    with _bars("{task.percentage:3.0f} %") as progress:
        bar = progress.add_task(safe(what), total=total_bytes)
        yield lambda size_bytes: progress.advance(bar, size_bytes)


@contextmanager
def count_shown(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to be told how many of them are done by now; silent off a terminal."""
    if not is_terminal(sys.stderr):
        yield lambda n_done: None
        return
    with _bars("{task.percentage:3.0f} %") as progress:
        bar = progress.add_task(safe(what), total=total)
        yield lambda n_done: progress.update(bar, completed=n_done)


def _bars(figures: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        # Names come from others: never read as markup.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(figures, markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _line(task: TaskView) -> None:
    say(f"{_words(task)} {_figures(task)}".rstrip())


def _figures(task: TaskView) -> str:
    return f"{task.n_files_finished}/{task.n_files} files" if task.n_files else ""


def _words(task: TaskView) -> str:
    reason = f": {task.reason}" if task.reason and task.status not in ("running", "done") else ""
    jobs = " ".join(f"{count} {status}" for status, count in sorted(task.job_counts.items()))
    return safe(f"{task.task_id} {task.name} {task.status}{reason}" + f" ({jobs})" * bool(jobs))
