"""The places that queues have for a task now, and what this process has learnt of queues."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakKeyDictionary

from sqlalchemy import Pool
from sqlmodel import Session

from broker.pace import Pace
from broker.places import Asker, Berth, Sight, berth
from broker.slots import SlotMemory
from broker.values import Queue
from tasks.stages.ends import n_ended
from tasks.stages.queue_view import QueueView
from tasks.stages.run_times import expected_run_seconds
from tasks.tables import Task

BELIEVED_SECONDS = 900.0
"""What a queue declares is believed again so long after its slots were found full."""


@dataclass(slots=True)
class _Memory:
    """What was learnt of the queues of one database."""

    slots: SlotMemory = field(default_factory=SlotMemory)
    pace: Pace = field(default_factory=Pace)


_memories: WeakKeyDictionary[Pool, _Memory] = WeakKeyDictionary()
_lock = threading.Lock()


def berths_of(session: Session, task: Task, seen: QueueView) -> dict[str, Berth]:
    """What each queue has for the jobs of a task, by the queue's name."""
    asker = Asker(
        share=task.share_name, priority=task.priority, core_count=task.core_count,
        memory_mb=task.memory_mb, run_seconds=expected_run_seconds(session, task),
    )  # fmt: skip
    ended = n_ended(session)
    with _lock:
        memory = _memories.setdefault(session.connection().engine.pool, _Memory())
        found = {}
        for queue in seen.queues:
            queue_id = seen.ids[queue.name]
            sight = _sight(queue, seen, memory.pace, ended[queue_id])
            found[queue.name] = berth(queue.name, asker, seen.counts.tally(queue_id), sight,
                                      memory.slots, seen.view.thresholds)  # fmt: skip
        return found


def _sight(queue: Queue, seen: QueueView, pace: Pace, ended: int) -> Sight:
    now, n_slots = monotonic(), max(queue.load.n_batch_jobs, queue.load.n_slots or 0)
    return Sight(
        load=queue.load,
        ends_per_second=pace.look(queue.name, now, ended, n_slots),
        n_sent=seen.view.assigned(queue),
        declared_at=now // BELIEVED_SECONDS,
    )
