"""The queues for a task's jobs, ranked by the broker; the decision kept with every reason."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlmodel import Session

from broker.presets import GENERIC, Preset, preset
from broker.ranking import rank
from broker.values import Demand, Ranking, Rejection
from culm.core.errors import Misconfigured
from culm.wire.task_spec import TaskSpec
from tasks.stages.demands import demand_of, untimed
from tasks.stages.queue_view import QueueView, queue_view
from tasks.store.configuration import values
from tasks.store.moves import database_time
from tasks.tables import Decided, Decision, Task
from tasks.thresholds import Brokerage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a decision about a task's jobs stands on."""

    demand: Demand
    seen: QueueView
    preset: Preset


def scene_of(session: Session, task: Task, spec: TaskSpec, *, firm: bool = False) -> Scene:
    """What is decided for this task now, over which queues, by which preset.

    `firm`: its jobs must have the wall time that they ask for, whatever scouts took.
    """
    vo, demand = spec.vo or "", demand_of(session, task, spec)
    return Scene(
        demand=untimed(demand) if firm else demand,
        seen=queue_view(session, vo),
        preset=_preset(values(session).of(Brokerage, vo, activity=task.activity)),
    )


def rank_queues(
    session: Session, task: Task, spec: TaskSpec, *, firm: bool = False
) -> tuple[Ranking, QueueView]:
    """The queues that can take this task's jobs, and the view that it was decided on.

    `firm`: its jobs must have the wall time that they ask for, whatever scouts took.
    """
    scene = scene_of(session, task, spec, firm=firm)
    demand, seen = scene.demand, scene.seen
    ranking = rank(demand, seen.queues, seen.view, scene.preset)
    if demand.preassigned_queues and not ranking.ranked:
        # The queue has changed since: pre-assignment is help, not a bond.
        free = replace(demand, preassigned_queues=frozenset())
        ranking = rank(free, seen.queues, seen.view, scene.preset)
    return ranking, seen


def _preset(chosen: Brokerage) -> Preset:
    try:
        return preset(chosen.preset, chosen.weight)
    except Misconfigured as error:
        # A slip in the configuration must not stop everybody's work.
        log.warning("the generic preset is taken", extra={"why": str(error)})
        return GENERIC


def keep_decision(
    session: Session,
    task_id: int,
    ranking: Ranking,
    kind: type[Decided] = Decision,
) -> None:
    """Write the ranking and every rejection of a task's latest brokerage of this kind."""
    decision = session.get(kind, task_id) or kind(
        task_id=task_id, cycle=0, ranking=[], rejections=[], at=database_time(session)
    )
    decision.cycle += 1
    decision.at = database_time(session)
    decision.ranking = [{"queue": r.queue, "weight": r.weight} for r in ranking.ranked]
    decision.rejections = [rejection_row(r) for r in ranking.rejections]
    session.add(decision)
    session.flush()


def rejection_row(rejection: Rejection) -> dict[str, Any]:
    """A rejection as JSON values: what it does not say is left out."""
    return {name: value for name, value in asdict(rejection).items() if value not in (None, "")}
