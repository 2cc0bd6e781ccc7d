"""Where the owner, the system and the queue's own policy want the jobs."""

from __future__ import annotations

from broker.rules import Refusal, rule
from broker.share_policy import gives_nothing, parse_share_policy
from broker.thresholds import Thresholds
from broker.values import Demand, Queue, QueueKind
from broker.view import View
from culm.core.errors import InvalidRequest
from culm.wire.task_spec import USER_ACTIVITY


@rule(1, concerns=lambda demand, _: demand.site is not None)
def pinned(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The owner named a site or queue."""
    if demand.site in (queue.name, queue.site):
        return None
    return Refusal(f"the task asks for {demand.site}")


@rule(1, concerns=lambda demand, _: bool(demand.excluded_sites))
def excluded(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The owner excluded the site or queue."""
    hit = demand.excluded_sites & {queue.name, queue.site}
    return Refusal(f"the task excludes {', '.join(sorted(hit))}") if hit else None


@rule(1, concerns=lambda demand, _: bool(demand.failed_builds))
def build_failed(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """What the jobs run was built there, in vain."""
    reason = demand.failed_builds.get(queue.name)
    return None if reason is None else Refusal(reason)


@rule(1, applies=lambda queue: "test" in queue.name.lower())
def test_queue(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """A queue with `test` in its name is for those who ask for it or were sent there."""
    asked = demand.site in (queue.name, queue.site) or _is_sent_to(demand, queue, view)
    return None if asked else Refusal("it is a test queue")


@rule(1, applies=lambda queue: queue.kind != QueueKind.UNIFIED)
def queue_kind(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Production queues are not for what people run for themselves, analysis queues for that."""
    wanted = QueueKind.ANALYSIS if demand.activity == USER_ACTIVITY else QueueKind.PRODUCTION
    if queue.kind == wanted:
        return None
    return Refusal(f"it is for {queue.kind}, the task is {demand.activity}")


@rule(1, concerns=lambda demand, limits: is_preassigned(demand, limits))  # noqa: PLW0108
def preassigned(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Jobs that were pre-assigned go to their queues only."""
    if queue.name in demand.preassigned_queues:
        return None
    return Refusal(f"the jobs were pre-assigned to {', '.join(sorted(demand.preassigned_queues))}")


@rule(2, passes=True, applies=lambda queue: queue.status != "online")
def online(demand: Demand, queue: Queue, view: View) -> Refusal | None:
    """The queue takes jobs; pre-assigned ones do not ask."""
    return None if _is_sent_to(demand, queue, view) else Refusal(f"it is {queue.status}")


@rule(4, concerns=lambda demand, limits: demand.nucleus is not None and is_hasty(demand, limits))
def nucleus_first(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Scouts and jobs of high priority stay at the nucleus."""
    if queue.site == demand.nucleus:
        return None
    kind = "scouts" if demand.is_scout else f"jobs of priority {demand.priority}"
    return Refusal(f"{kind} go to queues of the nucleus {demand.nucleus} only")


@rule(6, applies=lambda queue: bool(queue.fair_share_policy))
def zero_share(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The queue's fair-share policy gives such jobs nothing."""
    try:
        policy = parse_share_policy(queue.fair_share_policy)
    except InvalidRequest as error:
        return Refusal(f"its {error.message}")
    if not gives_nothing(policy, demand):
        return None
    return Refusal(f"its fair-share policy {queue.fair_share_policy} has nothing for such jobs")


@rule(
    20,
    concerns=lambda demand, _: (
        demand.nucleus_only and demand.nucleus is not None and not demand.is_merge
    ),
)
def nucleus_only(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The task wants queues of its nucleus only (t1Weight = -1)."""
    if queue.site == demand.nucleus:
        return None
    return Refusal(f"the task runs at its nucleus {demand.nucleus} only")


def is_hasty(demand: Demand, limits: Thresholds) -> bool:
    """Whether these are scouts or jobs of high priority."""
    return demand.is_scout or demand.priority >= limits.high_priority


def is_preassigned(demand: Demand, limits: Thresholds) -> bool:
    """Whether pre-assigned queues hold: for merge jobs not, once they were skipped for a day."""
    skipped = demand.preassigned_skipped_seconds >= 3600 * limits.preassigned_skipped_hours
    return bool(demand.preassigned_queues) and not (demand.is_merge and skipped)


def _is_sent_to(demand: Demand, queue: Queue, view: View) -> bool:
    return queue.name in demand.preassigned_queues and is_preassigned(demand, view.thresholds)
