"""Where a task's output goes: the place that is given, a nucleus, or storage that many reach.

Task brokerage is asked only where output is to be gathered and no place is given
(spec/lifecycle.md, Stages; documentation, 12.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlmodel import Session

from broker.nucleus import Nucleus, rank_nuclei
from broker.storage import Place, choose
from broker.thresholds import Thresholds
from broker.values import Ranking
from culm.wire.task_spec import TaskSpec
from tasks.stages.demands import demand_of
from tasks.stages.nuclei import best_endpoint, gathering, nuclei
from tasks.stages.rank_queues import keep_decision
from tasks.statuses import QueueStatus
from tasks.store.configuration import values
from tasks.store.tables import ENDPOINT, QUEUE, QUEUE_STORAGE, SITE
from tasks.tables import NucleusDecision, Task
from tasks.thresholds import Brokerage


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The storage endpoint that takes a task's output; None: there is none now, `words` say why."""

    endpoint_id: int | None = None
    words: str


def destination_of(session: Session, task: Task, spec: TaskSpec) -> Destination:
    """Where the output of a task goes; a decision about nuclei is kept with every reason."""
    if task.endpoint_id is not None:
        return Destination(endpoint_id=task.endpoint_id, words="output goes where it went before")
    if spec.destination is not None:
        return _named(session, spec.destination)
    if spec.nucleus is not None:
        return _at(session, spec.nucleus)
    if is_gathered(session, task, spec):
        return _gathered(session, task, spec)
    return _near(session, spec)


def is_gathered(session: Session, task: Task, spec: TaskSpec) -> bool:
    """Whether the output is to be at a nucleus, whichever."""
    asked = spec.gather or spec.t1_weight < 0
    return asked or values(session).of(Brokerage, spec.vo or "", activity=task.activity).gather


def rank_for(session: Session, task: Task, spec: TaskSpec) -> tuple[Ranking, list[Nucleus]]:
    """The nuclei that can gather the task's output, best first, and all that there are."""
    demand, found = demand_of(session, task, spec), nuclei(session, task.walltime_seconds)
    wanted = gathering(task, spec, demand)
    if spec.site in {nucleus.name for nucleus in found}:
        wanted = replace(wanted, site=spec.site)
    return rank_nuclei(wanted, found, values(session).of(Thresholds, spec.vo or "")), found


def _named(session: Session, name: str) -> Destination:
    row = session.connection().execute(
        select(ENDPOINT.c.id, ENDPOINT.c.is_blacklisted).where(ENDPOINT.c.name == name)
    ).first()  # fmt: skip
    if row is None:
        return Destination(words=f"the storage {name} that it asks for is no more")
    if row.is_blacklisted:
        return Destination(words=f"the storage {name} that it asks for is blacklisted")
    return Destination(endpoint_id=row.id, words=f"output goes to {name}, as asked for")


def _at(session: Session, site: str) -> Destination:
    found = best_endpoint(session, site)
    if found is None:
        return Destination(words=f"the site {site} that it asks for has no storage that is open")
    return Destination(endpoint_id=found.id, words=f"output goes to {found.name}, at {site}")


def _gathered(session: Session, task: Task, spec: TaskSpec) -> Destination:
    ranking, there = rank_for(session, task, spec)
    keep_decision(session, task.id, ranking, NucleusDecision)
    if not ranking.ranked:
        return Destination(words=refusal_in_words(ranking, len(there)))
    best = ranking.ranked[0]
    words = f"the best of {len(ranking.ranked)} nuclei, weight {best.weight:.4g}"
    return replace(_at(session, best.queue), words=f"output is gathered at {best.queue}: {words}")


def refusal_in_words(ranking: Ranking, n_nuclei: int) -> str:
    """Why no nucleus gathers the output."""
    if not n_nuclei:
        return "its output is to be gathered, and no site is a nucleus"
    reasons = "; ".join(f"{r.queue}: {r.reason}" for r in ranking.rejections[:5])
    more = f"; and {n_nuclei - 5} more" if n_nuclei > 5 else ""
    return f"no nucleus gathers its output: {reasons}{more}"


def _near(session: Session, spec: TaskSpec) -> Destination:
    found = choose(_places(session), spec.site)
    if found is None:
        return Destination(words="no storage is reachable from any online queue")
    return Destination(endpoint_id=found.id, words=f"output goes to {found.name}")


def _places(session: Session) -> list[Place]:
    rows = session.connection().execute(
        select(ENDPOINT.c.id, ENDPOINT.c.name, QUEUE.c.name, SITE.c.name, QUEUE.c.status)
        .join(QUEUE_STORAGE, QUEUE_STORAGE.c.endpoint_id == ENDPOINT.c.id)
        .join(QUEUE, QUEUE.c.id == QUEUE_STORAGE.c.queue_id)
        .join(SITE, SITE.c.id == QUEUE.c.site_id)
        .where(QUEUE_STORAGE.c.writes, ~ENDPOINT.c.is_blacklisted, ~ENDPOINT.c.is_tape)
    )
    return [
        Place(
            id=row[0], name=row[1], queue=row[2], site=row[3], online=row[4] == QueueStatus.ONLINE
        )
        for row in rows
    ]
