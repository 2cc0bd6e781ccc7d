"""Where a task's output is gathered, or why nowhere yet."""

from __future__ import annotations

from sqlmodel import Session

from broker.values import Ranking
from culm.wire.why import NucleusWhy
from tasks.specs import spec_of
from tasks.stages.destination import is_gathered, rank_for, refusal_in_words
from tasks.tables import NucleusDecision, Task
from tasks.why.findings import NEVER, NOT_YET, TAKEN, Finding, many


def of_nuclei(session: Session, task: Task) -> Finding | None:
    """What the nuclei say now to a task whose output has no place yet; None if it needs none."""
    spec = spec_of(session, task.id)
    place_is_given = task.endpoint_id or spec.destination or spec.nucleus
    if place_is_given or not is_gathered(session, task, spec):
        return None
    ranking, there = rank_for(session, task, spec)
    if ranking.ranked:
        return Finding(
            verdict=NOT_YET, nuclei=_said(ranking),
            summary=f"its output can be gathered at {ranking.ranked[0].queue} now",
            details=("it is looked at again within a minute",),
        )  # fmt: skip
    passes = any(no.passes for no in ranking.rejections)
    return Finding(
        verdict=NOT_YET if passes else NEVER,
        summary=refusal_in_words(ranking, len(there)),
        details=("sites become nuclei in the grid's document: is_nucleus; "
                 "--nucleus or --destSE name a place without asking",),
        nuclei=_said(ranking),
    )  # fmt: skip


def kept_choice(session: Session, task: Task) -> tuple[str, tuple[NucleusWhy, ...]]:
    """The decision that was made about the task's output, in a line and by nucleus."""
    kept = session.get(NucleusDecision, task.id, populate_existing=True)
    if kept is None or not kept.ranking or task.endpoint_id is None:
        return "", ()
    best = kept.ranking[0]
    words = f"its output is gathered at {best['queue']} (weight {best['weight']:.4g})"
    others = len(kept.ranking) - 1
    words += f", {many(others, 'other nucleus', 'other nuclei')} could have"
    words += f", {many(len(kept.rejections), 'was', 'were')} refused" if kept.rejections else ""
    taken = tuple(
        NucleusWhy(nucleus=r["queue"], verdict=TAKEN, weight=r["weight"]) for r in kept.ranking
    )
    return words, (*taken, *(
        NucleusWhy(nucleus=r["queue"], rule=r["rule"], reason=r["reason"],
                   verdict=NOT_YET if r.get("passes") else NEVER)
        for r in kept.rejections
    ))  # fmt: skip


def _said(ranking: Ranking) -> tuple[NucleusWhy, ...]:
    taken = [NucleusWhy(nucleus=r.queue, verdict=TAKEN, weight=r.weight) for r in ranking.ranked]
    return (*taken, *(
        NucleusWhy(nucleus=r.queue, rule=r.rule, reason=r.reason,
                   verdict=NOT_YET if r.passes else NEVER)
        for r in ranking.rejections
    ))  # fmt: skip
