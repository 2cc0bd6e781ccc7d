"""How many jobs finished at each queue, as far as this process settled them.

Statistics say minutes later how fast short jobs go through a queue: what the collect stage of
the same daemon has just settled says it now.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from sqlalchemy import Pool, event
from sqlmodel import Session

_ended: WeakKeyDictionary[Pool, Counter[int]] = WeakKeyDictionary()
_lock = threading.Lock()


def note_ended(session: Session, queue_ids: Iterable[int]) -> None:
    """Count jobs that this transaction settles, one a queue's id, once it has committed."""
    pool, new = session.connection().engine.pool, Counter(queue_ids)

    @event.listens_for(session, "after_commit", once=True)
    def _count(_session: Session) -> None:
        with _lock:
            _ended.setdefault(pool, Counter()).update(new)


def n_ended(session: Session) -> Counter[int]:
    """Jobs that finished since this process began, by the queue's id."""
    with _lock:
        return Counter(_ended.get(session.connection().engine.pool, Counter()))
