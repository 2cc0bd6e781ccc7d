"""The specification of a task as the books keep it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec
from tasks.store.bulk import ids_among
from tasks.store.tables import core
from tasks.tables import TaskParameters

_PARAMETERS = core(TaskParameters)
_KEPT = 2000


class _Cache:
    """Decoded specifications by task and digest: dispatch reads the same ones all the time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], TaskSpec] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, task_id: int, digest: str, document: dict[str, Any]) -> TaskSpec:
        with self._lock:
            key = (task_id, digest)
            if key not in self._kept:
                self._kept[key] = decode(TaskSpec, document, f"task {task_id}")
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


_cache = _Cache()


_SPECS = select(_PARAMETERS.c.task_id, _PARAMETERS.c.digest, _PARAMETERS.c.document).where(
    ids_among(_PARAMETERS.c.task_id)
)


def specs_of(session: Session, task_ids: Iterable[int]) -> dict[int, TaskSpec]:
    """The specifications of these tasks, by id."""
    rows = session.connection().execute(_SPECS, {"ids": list(task_ids)})
    return {row.task_id: _cache.get(row.task_id, row.digest, row.document) for row in rows}


def spec_of(session: Session, task_id: int) -> TaskSpec:
    """The specification of one task.

    Raises:
        NotFound: there is no such task.
        InvalidRequest: the document is not a task specification.
    """
    found = specs_of(session, [task_id]).get(task_id)
    if found is None:
        raise NotFound(f"no task {task_id}")
    return found
