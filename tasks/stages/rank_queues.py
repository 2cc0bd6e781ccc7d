"""The queues for a task's jobs, ranked by the broker; the decision kept with every reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlmodel import Session

from broker.places import Berth
from broker.presets import GENERIC, Preset, preset
from broker.ranking import Broker
from broker.values import Demand, Ranking, Rejection
from culm.core.errors import Misconfigured
from culm.core.units import format_duration
from culm.wire.task_spec import TaskSpec
from tasks.stages.berths import berths_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokered:
    """The queues that can take a task's jobs, on what view, and what place each has for them;
    `berths` is None with a preset that does not bind just in time.
    """

    ranking: Ranking
    seen: QueueView
    berths: Mapping[str, Berth] | None

    @property
    def places(self) -> dict[str, int] | None:
        """How many jobs may be bound to each queue that takes them; None: no end of them."""
        if self.berths is None:
            return None
        return {r.queue: self.berths[r.queue].places for r in self.ranking.ranked}

    @property
    def is_full(self) -> bool:
        """Whether queues take the jobs, and none has a place now."""
        places = self.places
        return bool(places) and not any((places or {}).values())

    @property
    def full_in_words(self) -> str:
        """That they are full, and until when about."""
        berths, names = self.berths or {}, [r.queue for r in self.ranking.ranked]
        seconds = min((berths[name].seconds_to_place for name in names), default=0.0)
        which = f"queue {names[0]} is" if len(names) == 1 else f"all {len(names)} queues are"
        return f"{which} full, next place expected in about {format_duration(seconds)}"


def rank_queues(session: Session, task: Task, spec: TaskSpec, *, firm: bool = False) -> Brokered:
    """The queues for a task's jobs, with the places that they have now.

    `firm`: its jobs must have the wall time that they ask for, whatever scouts took.
    """
    scene = scene_of(session, task, spec, firm=firm)
    demand, seen = scene.demand, scene.seen
    berths = berths_of(session, task, seen) if scene.preset.fills else None
    lines = {name: berth.room.line() for name, berth in (berths or {}).items()}
    broker = Broker(seen.queues, seen.view, scene.preset, lines)
    ranking = broker.rank(demand)
    if demand.preassigned_queues and not ranking.ranked:
        # The queue has changed since: pre-assignment is help, not a bond.
        ranking = broker.rank(replace(demand, preassigned_queues=frozenset()))
    return Brokered(ranking=ranking, seen=seen, berths=berths)


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
