"""What the books say of a workflow: its rows, and the instances of its steps with their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import exists, select
from sqlmodel import Session

from cwl.outcomes import Outcome, Status
from tasks.lifecycles import STEP as MACHINE
from tasks.lifecycles import TASK as TASK_MACHINE
from tasks.lifecycles import StepEvent
from tasks.statuses import JobStatus, StepStatus, TaskStatus
from tasks.store.bulk import id_in
from tasks.store.tables import JOB, METADATA, STEP, TASK, core
from tasks.tables import Command

AT_WORK = (StepStatus.SUBMITTED, StepStatus.PRODUCING)
_COMMAND = core(Command)
_OUTCOMES = {
    StepStatus.SUBMITTED: Status.STARTED,
    StepStatus.PRODUCING: Status.PRODUCING,
    StepStatus.DONE: Status.SUCCEEDED,
    # Some of its input was processed: children take what there is, as they do of a task.
    StepStatus.FINISHED: Status.SUCCEEDED,
    StepStatus.FAILED: Status.FAILED,
    StepStatus.ABORTED: Status.FAILED,
}
_ENDS = {
    TaskStatus.DONE: StepEvent.SUCCEEDED,
    TaskStatus.FINISHED: StepEvent.PARTLY_SUCCEEDED,
    TaskStatus.ABORTED: StepEvent.ABORTED,
}


@dataclass(slots=True)
class StepRow:
    """An instance of a step as the books know it, and its task's end if that came."""

    id: int
    instance: str
    step: str
    kind: str
    place: str
    status: StepStatus
    reason: str
    task_id: int | None
    n_tasks: int
    decision: Mapping[str, Any] = field(default_factory=dict)
    event: StepEvent | None = None
    """What is news of it: not in its row yet."""

    @property
    def is_at_work(self) -> bool:
        """Whether its task goes on."""
        return self.status in AT_WORK

    def outcome(self) -> Outcome | None:
        """What the walk is told of it; None: nothing, for it is to be started again."""
        status = _OUTCOMES.get(self.status)
        if status is None:
            return None
        return Outcome(status=status, outputs=self.decision, reason=self.reason)

    def take(self, event: StepEvent, reason: str) -> None:
        """Let an end be seen by the walk before it is written."""
        target = MACHINE.target(self.status, event)
        if target is not None:
            self.status, self.reason, self.event = StepStatus(target), reason, event

    def fail(self, reason: str) -> None:
        """Let it have failed in spite of its task."""
        self.status, self.reason, self.event = StepStatus.FAILED, reason, StepEvent.FAILED


_COLUMNS = (STEP.c.id, STEP.c.instance, STEP.c.step, STEP.c.kind, STEP.c.place, STEP.c.status,
            STEP.c.reason, STEP.c.task_id, STEP.c.n_tasks, STEP.c.outcome)  # fmt: skip


def step_rows(session: Session, workflow_id: int) -> list[StepRow]:
    """The instances of a workflow's steps, in the order in which they were first started."""
    rows = session.connection().execute(
        select(*_COLUMNS).where(STEP.c.workflow_id == workflow_id).order_by(STEP.c.id)
    )
    return [StepRow(*row[:5], _STATUSES[row.status], *row[6:9], row.outcome or {})
            for row in rows]  # fmt: skip


_STATUSES = {str(status): status for status in StepStatus}
"""A look reads all rows: asking the enumeration for each took a third of its time."""


def ended_tasks(session: Session, steps: Sequence[StepRow]) -> dict[int, tuple[StepEvent, str]]:
    """How the tasks of these steps ended, with the reason, by task; of those that have.

    One that is told to go on, by a command that nobody took up yet, has not.
    """
    ids = [row.task_id for row in steps if row.task_id is not None]
    rows = session.connection().execute(
        select(TASK.c.id, TASK.c.status, TASK.c.reason).where(
            id_in(TASK.c.id, ids, session),
            TASK.c.status.in_([str(status) for status in TASK_MACHINE.final]),
            ~exists().where(_COMMAND.c.task_id == TASK.c.id, _COMMAND.c.done_at.is_(None)),
        )
    )
    return {row.id: (_ENDS.get(row.status, StepEvent.FAILED), _words(*row)) for row in rows}


def what_jobs_left(session: Session, task_ids: Sequence[int]) -> dict[int, str]:
    """The user metadata of the last finished job of each task, by task."""
    rows = session.connection().execute(
        select(JOB.c.task_id, METADATA.c.user_metadata)
        .join(METADATA, METADATA.c.job_id == JOB.c.id)
        .where(id_in(JOB.c.task_id, task_ids, session), JOB.c.status == str(JobStatus.FINISHED),
               METADATA.c.user_metadata.is_not(None))
        .order_by(JOB.c.id)
    )  # fmt: skip
    return {row.task_id: row.user_metadata for row in rows}


def task_names(session: Session, steps: Sequence[StepRow]) -> dict[int, str]:
    """The names of the tasks of these steps, by task."""
    ids = [row.task_id for row in steps if row.task_id is not None]
    rows = session.connection().execute(
        select(TASK.c.id, TASK.c.name).where(id_in(TASK.c.id, ids, session))
    )
    return {row.id: row.name for row in rows}


def _words(task_id: int, status: str, reason: str) -> str:
    if status == TaskStatus.DONE:
        return ""
    return f"task {task_id} {status}: {reason}" if reason else f"task {task_id} is {status}"
