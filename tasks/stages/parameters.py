"""Parameters of a task that are changed after it was submitted (incexec)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import update
from sqlmodel import Session

from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import decode, encode
from culm.wire.task_spec import TaskSpec
from tasks.specs import spec_of
from tasks.stages.scouts import forget_scouts
from tasks.stages.submit import faults_of
from tasks.store.tables import TASK, core
from tasks.tables import Task, TaskParameters
from tasks.tagging import resource_type

_PARAMETERS = core(TaskParameters)
KEPT = frozenset({
    "name", "outputs", "merge_output", "parent_task_id", "n_jobs", "n_events", "n_events_per_job",
    "n_events_per_file", "events_across_files", "search",
    "destination", "nucleus", "gather",
    "vo", "activity", "working_group", "processing_type", "campaign",
})  # fmt: skip
"""Names of what is written already and where, what input was cut by already, and whose share it
counts for: who may say that was asked when it was submitted."""
_COLUMNS = (
    "priority", "core_count", "memory_mb", "disk_mb", "walltime_seconds", "max_attempts",
)  # fmt: skip


def changed_spec(session: Session, task: Task, changes: Mapping[str, Any]) -> TaskSpec:
    """The specification of a task with some fields changed.

    Raises:
        InvalidRequest: with a fault for each field that is unknown, wrong, or cannot be changed.
    """
    before = spec_of(session, task.id)
    after = _merged(before, changes, f"the change of task {task.id}")
    faults = [*_unchangeable(before, after), *faults_of(session, after, task.user_name)]
    if faults:
        raise InvalidRequest(f"task {task.id} cannot be changed like this", faults=faults)
    return after


def change_parameters(session: Session, task_id: int, changes: Mapping[str, Any]) -> None:
    """Put changes in force that were checked before; scouts learn anew."""
    # What is not there any more since then, refine finds and names.
    spec = _merged(spec_of(session, task_id), changes, f"the change of task {task_id}")
    document = encode(spec)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    run = session.connection().execute
    run(update(_PARAMETERS).where(_PARAMETERS.c.task_id == task_id)
        .values(document=document, digest=digest))  # fmt: skip
    run(update(TASK).where(TASK.c.id == task_id)
        .values(resource_type=resource_type(session, spec.core_count, spec.memory_mb),
                **{name: getattr(spec, name) for name in _COLUMNS}))  # fmt: skip
    forget_scouts(session, task_id, only_unfinished=False)


def _merged(before: TaskSpec, changes: Mapping[str, Any], what: str) -> TaskSpec:
    merged = encode(before) | dict(changes)
    return decode(TaskSpec, {k: v for k, v in merged.items() if v is not None}, what).check()


def _unchangeable(before: TaskSpec, after: TaskSpec) -> Iterator[FieldFault]:
    for name in (f.name for f in fields(TaskSpec) if f.name in KEPT):
        if getattr(after, name) != getattr(before, name):
            shown = ascii(getattr(after, name))[:80]
            yield FieldFault(name, shown, "cannot be changed any more: submit another task")
    old = {(s.stream, name) for s in before.inputs for name in s.datasets}
    new = {(s.stream, name) for s in after.inputs for name in s.datasets}
    for stream, name in sorted(old - new):
        yield FieldFault("inputs", f"{stream} without {name}", "input may be added, not taken away")
