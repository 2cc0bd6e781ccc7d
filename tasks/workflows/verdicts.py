"""How a workflow ends, and when: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cwl.outcomes import Task
from cwl.walk import Walk
from tasks.lifecycles import WorkflowEvent
from tasks.statuses import StepStatus, WorkflowStatus
from tasks.workflows.rows import StepRow

SHOWN = 3
"""So many failures are told in the reason of a workflow; the steps have their own."""
_PARTLY = (StepStatus.FINISHED,)
_GOT_SOMETHING = (StepStatus.DONE, StepStatus.FINISHED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a workflow: the event, the reason in words, and the values of its outputs."""

    event: WorkflowEvent
    reason: str = ""
    outputs: Mapping[str, Any] | None = None


def verdict_of(status: WorkflowStatus, steps: Sequence[StepRow], walk: Walk) -> Verdict | None:
    """The end that a workflow has come to; None if it goes on."""
    if any(step.is_at_work for step in steps) or status is WorkflowStatus.PAUSED:
        return None
    if status is WorkflowStatus.ABORTING:
        return Verdict(WorkflowEvent.ABORTED, "killed")
    if walk.ending is not None:
        return _natural(steps, walk)
    if status is WorkflowStatus.FINISHING:
        some = any(step.status in _GOT_SOMETHING for step in steps)
        event = WorkflowEvent.PARTLY_SUCCEEDED if some else WorkflowEvent.STEP_FAILED
        return Verdict(event, "told to finish before all of its steps had started")
    return None


def _natural(steps: Sequence[StepRow], walk: Walk) -> Verdict:
    ending = walk.ending
    assert ending is not None  # noqa: S101 - looked at by the caller
    if ending.end.is_bad:
        return Verdict(WorkflowEvent.STEP_FAILED, _words(walk) or ending.reason)
    outputs = {n: _datasets(value, walk.producers) for n, value in ending.values.items()}
    partly = [step for step in steps if step.status in _PARTLY]
    if partly:
        words = f"{len(partly)} steps were done in part; {partly[0].instance}: {partly[0].reason}"
        return Verdict(WorkflowEvent.PARTLY_SUCCEEDED, words, outputs)
    return Verdict(WorkflowEvent.ALL_SUCCEEDED, "", outputs)


def _datasets(value: Any, producers: Mapping[str, Task]) -> Any:
    """A value with the datasets of a task in the place of its name."""
    if isinstance(value, list):
        return [_datasets(one, producers) for one in value]
    made = producers.get(value) if isinstance(value, str) else None
    if made is None:
        return value
    return made.datasets[0] if len(made.datasets) == 1 else list(made.datasets)


def _words(walk: Walk) -> str:
    """The first failures, those that made others impossible before those."""
    failures = sorted(walk.failures, key=lambda failure: failure.blocked)
    shown = [str(failure) for failure in failures[:SHOWN]]
    more = len(failures) - SHOWN
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)
