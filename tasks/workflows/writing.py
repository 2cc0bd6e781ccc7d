"""The ends of steps, written: those that came alike in one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session

from tasks.lifecycles import StepEvent
from tasks.statuses import StepStatus
from tasks.store.moves import Why, move_steps
from tasks.store.tables import STEP
from tasks.workflows.rows import StepRow


def write_ends(session: Session, steps: Iterable[StepRow], actor: str) -> int:
    """Write what is news of these steps; gives how many have any. Called again, it writes none."""
    news = [step for step in steps if step.event is not None]
    groups: dict[tuple[StepEvent, str], list[int]] = defaultdict(list)
    for step in news:
        if step.event is not None:
            groups[step.event, step.reason].append(step.id)
        step.event = None
    for (event, reason), ids in groups.items():
        move_steps(session, ids, event, Why(actor, reason))
    write_outcomes(session, {step.id: step.decision for step in news if step.decision})
    return len(news)


def write_outcomes(session: Session, outcomes: Mapping[int, Mapping[str, Any]]) -> None:
    """Write what these steps gave, by their ids."""
    rows = [{"decided": step_id, "to": dict(given)} for step_id, given in outcomes.items()]
    if rows:
        session.connection().execute(_DECIDED, rows)


_DECIDED = update(STEP).where(STEP.c.id == bindparam("decided")).values(outcome=bindparam("to"))


def leave_out(session: Session, steps: Iterable[StepRow], actor: str) -> None:
    """The workflow ended without those of these steps that were to be started again."""
    ids = [step.id for step in steps if step.status is StepStatus.WAITING]
    move_steps(session, ids, StepEvent.LEFT_OUT, Why(actor, "it was not needed any more"))
