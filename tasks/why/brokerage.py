"""Why brokerage takes a task's jobs or not: asked anew, with the queues as they are now."""

from __future__ import annotations

from sqlmodel import Session

from broker.explain import Explanation, RuleCount, Verdict, explain
from broker.ranking import rank
from broker.values import Ranking
from culm.wire.why import QueueWhy, RuleWhy
from tasks.specs import spec_of
from tasks.stages.rank_queues import rank_queues, scene_of
from tasks.tables import Task
from tasks.why.findings import NEVER, NOT_YET, TAKEN, Finding


def of_brokerage(session: Session, task: Task, *, with_queues: bool) -> Finding:
    """What the queues say to the task's next jobs; one by one, if they are asked for."""
    spec = spec_of(session, task.id)
    scene = scene_of(session, task, spec)
    queues, view = scene.seen.queues, scene.seen.view
    found = explain(scene.demand, queues, view, scene.preset)
    asked = rank(scene.demand, queues, view, scene.preset) if with_queues else None
    verdict, summary = str(found.verdict), found.summary
    if found.verdict == Verdict.TAKEN:
        brokered = rank_queues(session, task, spec)
        if brokered.is_full:
            verdict, summary = NOT_YET, brokered.full_in_words
    return Finding(
        verdict=verdict,
        summary=summary,
        details=tuple(f"queue {r.queue} may take it later: {r.reason}" for r in found.waits_for),
        rules=tuple(_rule(count) for count in found.counts),
        changes=tuple(str(change) for change in found.changes),
        queues=_queues(asked, found) if asked else (),
    )


def _rule(count: RuleCount) -> RuleWhy:
    nearest = count.example
    return RuleWhy(
        rule=count.rule, n_queues=count.n_queues, passes=count.passes, queue=nearest.queue,
        reason=nearest.reason, offered=nearest.offered, needed=nearest.needed, unit=nearest.unit,
    )  # fmt: skip


def _queues(ranking: Ranking, found: Explanation) -> tuple[QueueWhy, ...]:
    later = {r.queue for r in found.waits_for}
    taken = [QueueWhy(queue=r.queue, verdict=TAKEN, weight=r.weight) for r in ranking.ranked]
    refused = [
        QueueWhy(
            queue=r.queue, rule=r.rule, reason=r.reason,
            # Where some queue takes it now, only the first refusal of the others is known.
            verdict=NOT_YET if r.queue in later or (taken and r.passes) else NEVER,
        )
        for r in ranking.rejections
    ]  # fmt: skip
    refused.sort(key=lambda q: (q.verdict != NOT_YET, q.rule, q.queue))
    return (*taken, *refused)
