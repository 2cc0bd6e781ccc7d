"""Steps start: tasks are submitted or taken up again, in bulk, with their steps' rows."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import bindparam, select, update
from sqlmodel import Session

from culm.core.errors import CulmError
from culm.wire.task_spec import TaskSpec
from cwl.outcomes import Start
from cwl.plan import Kind
from tasks.lifecycles import TASK as TASK_MACHINE
from tasks.lifecycles import StepEvent
from tasks.specs import specs_of
from tasks.stages.bulk_submit import Order, names_taken, submit_many
from tasks.statuses import StepStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in, insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import Why, database_time, move_steps
from tasks.store.tables import STEP, TASK
from tasks.store.topics import Topic
from tasks.tables import Command, StatusHistory, WorkflowStep
from tasks.workflows.orders import Owner, spec_of_start
from tasks.workflows.rows import StepRow
from tasks.workflows.words import words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The workflow whose steps start: its instances so far, by their names, and its owner."""

    workflow_id: int
    owner: Owner
    steps: Mapping[str, StepRow]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A start with its task; `row` is there if it was started before."""

    start: Start
    spec: TaskSpec
    row: StepRow | None


@dataclass(slots=True)
class Started:
    """How many tasks were submitted or taken up again, and how many steps cannot start."""

    n_tasks: int = 0
    n_refused: int = 0


@dataclass(slots=True)
class Specified:
    """Starts with the specifications of their tasks, and those that have none, in words."""

    ready: list[_Ready] = field(default_factory=list)
    refused: list[tuple[Start, str]] = field(default_factory=list)


def specify(crew: Crew, starts: Sequence[Start]) -> Specified:
    """What the tasks of these starts are to be. It takes time, and no transaction."""
    found = Specified()
    for start in starts:
        beside = [crew.steps[name].task_id for name in start.beside if name in crew.steps]
        row = crew.steps.get(start.id)
        try:
            spec = spec_of_start(start, crew.owner, beside[0] if beside else None)
        except CulmError as error:
            found.refused.append((start, words_of(error)))
        else:
            found.ready.append(_Ready(start, spec, row))
    return found


def start_steps(session: Session, crew: Crew, specified: Specified, actor: str) -> Started:
    """Make the tasks of these starts. One that cannot be made leaves a failed step, in words."""
    refused = specified.refused
    again, fresh = _taken_up(session, crew, specified.ready, refused)
    taken = names_taken(session, [one.spec.name for one in fresh], crew.owner.user)
    free = []
    for one in fresh:
        if one.spec.name in taken:
            refused.append((one.start, taken[one.spec.name]))
        else:
            free.append(one)
    ids = submit_many(session, [_order(crew, one) for one in free], crew.owner.user)
    _write_submitted(session, crew, list(zip(free, ids, strict=True)), actor)
    _write_refused(session, crew, refused, actor)
    return Started(len(free) + again, len(refused))


def _taken_up(
    session: Session, crew: Crew, ready: Sequence[_Ready], refused: list[tuple[Start, str]]
) -> tuple[int, list[_Ready]]:
    """Take up the tasks that steps had before; gives how many, and what needs a new task.

    A task that did some of its work does only what is left, with its input looked up again. A
    junction decides anew, for what it read may be new, and a tool runs anew.
    """
    ids = [one.row.task_id for one in ready if one.row is not None and one.row.task_id]
    statuses = _statuses(session, ids)
    specs = specs_of(session, ids)
    fresh, resumed, told = [], [], []
    for one in ready:
        status = statuses.get(one.row.task_id or 0) if one.row is not None else None
        if one.row is None or status is None or status in _NOTHING_LEFT:
            fresh.append(one)
        elif status not in TASK_MACHINE.final:
            resumed.append(one.row)
        elif one.start.kind in _ANEW:
            name = f"{one.spec.name}.{one.row.n_tasks + 1}"
            fresh.append(replace(one, spec=replace(one.spec, name=name)))
        elif specs[one.row.task_id or 0] != _as_before(one.spec, specs[one.row.task_id or 0]):
            words = f"task {one.row.task_id} did it with other parameters: submit the workflow anew"
            refused.append((one.start, words))
        else:
            resumed.append(one.row)
            told.append(one.row.task_id or 0)
    _tell(session, crew, told)
    by = Why(crew.owner.user, "taken up again by its workflow")
    move_steps(session, [row.id for row in resumed], StepEvent.SUBMITTED, by)
    return len(resumed), fresh


_ANEW = (Kind.JUNCTION, Kind.TOOL)
"""Kinds whose task is not taken up: it may have succeeded where its step failed."""
_NOTHING_LEFT = (TaskStatus.FAILED, TaskStatus.BROKEN)
"""Tasks that take no retry: they left nothing that a new one of their name could do twice."""


def _as_before(spec: TaskSpec, before: TaskSpec) -> TaskSpec:
    """The specification, whether it runs beside its parent this time or not."""
    return replace(spec, parent_task_id=before.parent_task_id)


def _statuses(session: Session, task_ids: Sequence[int]) -> dict[int, TaskStatus]:
    rows = session.connection().execute(
        select(TASK.c.id, TASK.c.status).where(id_in(TASK.c.id, task_ids, session))
    )
    return {row.id: TaskStatus(row.status) for row in rows}


def _tell(session: Session, crew: Crew, task_ids: Sequence[int]) -> None:
    """Tell tasks to look their input up again and do what is left."""
    insert_rows(
        session, Command, ("task_id",), [(task_id,) for task_id in task_ids],
        now=database_time(session),
        same={"command": "incexec", "user_name": crew.owner.user,
              "reason": f"retried with workflow {crew.workflow_id}"},
    )  # fmt: skip
    if task_ids:
        wake(session, Topic.COMMAND_GIVEN)


def _order(crew: Crew, one: _Ready) -> Order:
    n_tasks = one.row.n_tasks if one.row is not None else 0
    instance = one.start.id
    if len(instance) > _LONGEST:
        instance = hashlib.sha256(instance.encode()).hexdigest()[:_LONGEST]
    return Order(spec=one.spec, key=f"workflow/{crew.workflow_id}/{instance}/{n_tasks + 1}")


_LONGEST = 32
"""Of an instance's name in the key of its task, which has 64 characters in all."""


def _write_submitted(
    session: Session, crew: Crew, made: Sequence[tuple[_Ready, int]], actor: str
) -> None:
    new = [(one.start, task_id) for one, task_id in made if one.row is None]
    insert_steps(session, crew, [(s, StepStatus.SUBMITTED, "", t) for s, t in new], actor)
    again = [(one.row.id, task_id) for one, task_id in made if one.row is not None]
    if again:
        ids = [step_id for step_id, _ in again]
        move_steps(session, ids, StepEvent.SUBMITTED, Why(actor, "with a new task"))
        rows = [{"started": step_id, "with_task": task_id} for step_id, task_id in again]
        session.connection().execute(_TAKE_TASK, rows)


_TAKE_TASK = (
    update(STEP).where(STEP.c.id == bindparam("started"))
    .values(task_id=bindparam("with_task"), n_tasks=STEP.c.n_tasks + 1)
)  # fmt: skip


def _write_refused(
    session: Session, crew: Crew, refused: Sequence[tuple[Start, str]], actor: str
) -> None:
    new = [(start, words) for start, words in refused if start.id not in crew.steps]
    insert_steps(session, crew, [(s, StepStatus.FAILED, words, None) for s, words in new], actor)
    again: dict[str, list[int]] = defaultdict(list)
    for start, words in refused:
        if start.id in crew.steps:
            again[words].append(crew.steps[start.id].id)
    for words, ids in again.items():
        move_steps(session, ids, StepEvent.FAILED, Why(actor, words))


_Row = tuple[Start, StepStatus, str, int | None]
"""A start, and the status, reason and task of its new row."""


def insert_steps(session: Session, crew: Crew, rows: Sequence[_Row], actor: str) -> Sequence[int]:
    """Insert the rows of steps that start for the first time; their ids."""
    now = database_time(session)
    ids = take_ids(session, "step", len(rows)) if rows else range(0)
    insert_rows(
        session, WorkflowStep,
        ("id", "instance", "path", "step", "kind", "place", "parents", "status", "reason",
         "task_id", "n_tasks"),
        [(i, s.id, s.path, s.step, str(s.kind), s.place, json.dumps(s.parents), str(status),
          words, task_id, 0 if task_id is None else 1)
         for i, (s, status, words, task_id) in zip(ids, rows, strict=True)],
        now=now, same={"workflow_id": crew.workflow_id},
    )  # fmt: skip
    insert_rows(
        session, StatusHistory,
        ("noun", "entity_id", "event", "from_status", "to_status", "actor", "reason"),
        [("step", i, "refused" if status is StepStatus.FAILED else "submitted", "", str(status),
          actor, words)
         for i, (_, status, words, _) in zip(ids, rows, strict=True)], now=now,
    )  # fmt: skip
    return ids
