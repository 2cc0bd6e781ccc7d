"""Steps whose outputs are known when they start: they are done at once, and have no task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from cwl.outcomes import Start
from tasks.lifecycles import StepEvent
from tasks.statuses import StepStatus
from tasks.store.moves import Why, move_steps
from tasks.workflows.starts import Crew, insert_steps
from tasks.workflows.writing import write_outcomes

_WORDS = "its expression was evaluated"


def write_computed(
    session: Session,
    crew: Crew,
    starts: Sequence[Start],
    outputs: Mapping[str, Mapping[str, Any]],
    actor: str,
) -> None:
    """Write that these steps are done; `outputs` are theirs, by the names of instances."""
    known = [start for start in starts if start.id in crew.steps]
    new = [start for start in starts if start.id not in crew.steps]
    again = [crew.steps[start.id].id for start in known]
    move_steps(session, again, StepEvent.SUBMITTED, Why(actor))
    ids = insert_steps(session, crew, [(s, StepStatus.SUBMITTED, "", None) for s in new], actor)
    all_ids = [*again, *ids]
    move_steps(session, all_ids, StepEvent.SUCCEEDED, Why(actor, _WORDS))
    names = [start.id for start in (*known, *new)]
    write_outcomes(session, {i: outputs[n] for i, n in zip(all_ids, names, strict=True)})
