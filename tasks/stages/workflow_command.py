"""Commands to a workflow: carried out at once on its row, and handed on to its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session

from culm.core.errors import Conflict, FieldFault, InvalidRequest, NotFound, WrongStatus
from culm.core.nearest import unknown_name
from culm.wire.views import CommandRequest
from culm.wire.workflow_runs import WorkflowCommandAnswer
from tasks.lifecycles import TASK as TASK_MACHINE
from tasks.lifecycles import WORKFLOW as MACHINE
from tasks.lifecycles import StepEvent, TaskEvent, WorkflowEvent
from tasks.statuses import StepStatus, WorkflowStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import insert_rows
from tasks.store.moves import Why, database_time, move_steps, move_workflows
from tasks.store.tables import STEP, TASK, WORKFLOW
from tasks.store.topics import Topic
from tasks.tables import Command, Workflow
from tasks.workflows.rows import AT_WORK, StepRow, step_rows
from tasks.workflows.walks import new_walk

EVENTS = {
    "kill": WorkflowEvent.KILL_REQUESTED,
    "finish": WorkflowEvent.FINISH_REQUESTED,
    "retry": WorkflowEvent.RETRY_REQUESTED,
    "pause": WorkflowEvent.PAUSE_REQUESTED,
    "resume": WorkflowEvent.RESUMED,
}
_OF_TASKS = {
    "kill": TaskEvent.KILL_REQUESTED,
    "finish": TaskEvent.FINISH_REQUESTED,
    "pause": TaskEvent.PAUSE_REQUESTED,
    "resume": TaskEvent.RESUMED,
}


def command_workflow(
    books: Books, workflow_id: int, request: CommandRequest, user: str
) -> WorkflowCommandAnswer:
    """Carry out a command on a workflow; its tasks follow.

    Raises:
        InvalidRequest: there is no such command, or `soft` or `parameters` do not go with it.
        NotFound: there is no such workflow.
        WrongStatus: the workflow's status does not take it.
        Conflict: two retry it at once.
    """
    _check(request)
    seen, again = _to_do_again(books, workflow_id) if request.command == "retry" else (0, [])
    why = Why(user, request.reason or f"{request.command} by {user}")
    with books.write() as session:
        row = _held(session, workflow_id)
        if MACHINE.target(WorkflowStatus(row.status), EVENTS[request.command]) is None:
            raise WrongStatus(_refusal(row, request.command))
        if request.command == "retry":
            if row.round != seen:
                raise Conflict(f"workflow {workflow_id} was retried by somebody else meanwhile")
            move_steps(session, again, StepEvent.RETRY_REQUESTED, why)
            values: dict[str, Any] = {"round": Workflow.round + 1, "outputs": None}
            words = f"{len(again)} steps are done again" if again else "it goes on"
        else:
            n_tasks = _hand_on(session, workflow_id, request, why)
            values, words = {}, f"{n_tasks} tasks are told"
        move_workflows(session, [workflow_id], EVENTS[request.command], why, **values)
        session.connection().execute(
            update(WORKFLOW).where(WORKFLOW.c.id == workflow_id).values(news=WORKFLOW.c.news + 1)
        )
        wake(session, Topic.WORKFLOW_DUE)
    return WorkflowCommandAnswer(
        workflow_id=workflow_id, message=f"{request.command} accepted: {words}"
    )


def _check(request: CommandRequest) -> None:
    if request.command not in EVENTS:
        fault = FieldFault("command", request.command, unknown_name(request.command, EVENTS))
        raise InvalidRequest(f"no command {request.command} for workflows", faults=[fault])
    if request.soft and request.command != "finish":
        fault = FieldFault("soft", "true", "goes with finish only")
        raise InvalidRequest(f"{request.command} cannot be soft", faults=[fault])
    if request.parameters:
        fault = FieldFault("parameters", ", ".join(request.parameters), "none are taken")
        raise InvalidRequest("workflows take no parameters", faults=[fault])


def _held(session: Session, workflow_id: int) -> Any:
    row = session.connection().execute(
        select(WORKFLOW.c.id, WORKFLOW.c.status, WORKFLOW.c.round)
        .where(WORKFLOW.c.id == workflow_id).with_for_update()
    ).first()  # fmt: skip
    if row is None:
        raise NotFound(f"no workflow {workflow_id}")
    return row


def _refusal(row: Any, name: str) -> str:
    takers = sorted(str(status) for status in MACHINE.sources(EVENTS[name]))
    return f"workflow {row.id} is {row.status}: {name} needs one of {', '.join(takers)}"


def _hand_on(session: Session, workflow_id: int, request: CommandRequest, why: Why) -> int:
    """Give the command to every task at work whose status takes it; gives how many."""
    takers = [str(status) for status in TASK_MACHINE.sources(_OF_TASKS[request.command])]
    ids = session.connection().execute(
        select(TASK.c.id).join(STEP, STEP.c.task_id == TASK.c.id)
        .where(STEP.c.workflow_id == workflow_id, TASK.c.status.in_(takers),
               STEP.c.status.in_([str(status) for status in AT_WORK]))
    ).scalars().all()  # fmt: skip
    insert_rows(
        session, Command, ("task_id", "command", "soft", "user_name", "reason"),
        [(i, request.command, request.soft, why.actor, why.reason) for i in ids],
        now=database_time(session),
    )  # fmt: skip
    wake(session, Topic.COMMAND_GIVEN)
    return len(ids)


def _to_do_again(books: Books, workflow_id: int) -> tuple[int, list[int]]:
    """The round that is over, and the ids of the steps that did not succeed in it and of those
    that follow from them.
    """
    with books.read() as session:
        row = session.connection().execute(
            select(WORKFLOW.c.name, WORKFLOW.c.round, WORKFLOW.c.status)
            .where(WORKFLOW.c.id == workflow_id)
        ).first()  # fmt: skip
        # Whether there is one and its status takes it is seen when it is held.
        if row is None or row.status not in MACHINE.sources(WorkflowEvent.RETRY_REQUESTED):
            return 0, []
        steps = step_rows(session, workflow_id)
        walk = new_walk(session, workflow_id, row.name, row.round)
    done = {step.instance: step for step in steps if step.status is StepStatus.DONE}
    kept = _reached(walk, done)
    return row.round, [step.id for step in steps if step.instance not in kept]


def _reached(walk: Any, done: dict[str, StepRow]) -> set[str]:
    """Those of the steps that are done that the walk comes to by steps that are done."""
    found: set[str] = set()
    starts: Sequence[Any] = walk.advance()
    while starts:
        told = {start.id: done[start.id].outcome() for start in starts if start.id in done}
        found |= told.keys()
        starts = walk.advance(told) if told else ()
    return found
