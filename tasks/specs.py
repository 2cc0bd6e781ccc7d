"""The specification of a task as the books keep it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy import select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec
from tasks.store.bulk import ids_among
from tasks.store.prepared import Prepared
from tasks.store.tables import core
from tasks.tables import TaskParameters

_PARAMETERS = core(TaskParameters)
_KEPT = 2000


class _Cache:
    """Decoded specifications by task and digest: dispatch reads the same ones all the time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], TaskSpec] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, task_id: int, digest: str) -> TaskSpec | None:
        with self._lock:
            spec = self._kept.get((task_id, digest))
            if spec is not None:
                self._kept.move_to_end((task_id, digest))
            return spec

    def keep(self, task_id: int, digest: str, spec: TaskSpec) -> None:
        with self._lock:
            self._kept[task_id, digest] = spec
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


_cache = _Cache()
_DIGESTS = Prepared(
    select(_PARAMETERS.c.task_id, _PARAMETERS.c.digest).where(ids_among(_PARAMETERS.c.task_id))
)
_DOCUMENTS = Prepared(
    select(_PARAMETERS.c.task_id, _PARAMETERS.c.digest, _PARAMETERS.c.document)
    .where(ids_among(_PARAMETERS.c.task_id))
)  # fmt: skip


def specs_of(session: Session, task_ids: Iterable[int]) -> dict[int, TaskSpec]:
    """The specifications of these tasks, by id."""
    specs: dict[int, TaskSpec] = {}
    unknown: list[int] = []
    for task_id, digest in _DIGESTS.rows(session, ids=list(task_ids)):
        spec = _cache.get(task_id, digest)
        if spec is None:
            unknown.append(task_id)
        else:
            specs[task_id] = spec
    if unknown:
        for task_id, digest, document in _DOCUMENTS.rows(session, ids=unknown):
            specs[task_id] = decode(TaskSpec, document, f"task {task_id}")
            _cache.keep(task_id, digest, specs[task_id])
    return specs


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
