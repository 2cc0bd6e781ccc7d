"""Commands: answered at once whether they can apply, taken up by this stage in order."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, select, true, update
from sqlmodel import Session, col
from sqlmodel import select as model_select

from culm.core.errors import FieldFault, InvalidRequest, NotFound, WrongStatus
from culm.core.nearest import unknown_name
from culm.wire.error_codes import ServerError
from culm.wire.views import CommandAnswer, CommandRequest
from tasks.lifecycles import TASK as MACHINE
from tasks.lifecycles import JobEvent, TaskEvent
from tasks.stages.ending import look_at_merges
from tasks.stages.parameters import change_parameters, changed_spec
from tasks.stages.scouts import release, skip_scouts
from tasks.stages.select import tasks_where
from tasks.stages.settle import settle_failed, settle_unrun
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import JobKind, JobStatus, TaskStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import FRESH
from tasks.store.moves import Why, database_time, move_jobs, move_tasks
from tasks.store.tables import JOB, JOB_ALIVE, TASK, core
from tasks.store.topics import Topic
from tasks.store.workflow_news import let_workflows_know
from tasks.tables import Command, Task

EVENTS = {
    "kill": TaskEvent.KILL_REQUESTED,
    "finish": TaskEvent.FINISH_REQUESTED,
    "retry": TaskEvent.RETRY_REQUESTED,
    "incexec": TaskEvent.INCEXEC_REQUESTED,
    "pause": TaskEvent.PAUSE_REQUESTED,
    "resume": TaskEvent.RESUMED,
    "avalanche": TaskEvent.AVALANCHE_REQUESTED,
    "release": TaskEvent.RELEASE_REQUESTED,
    "reactivate": TaskEvent.REACTIVATED,
}
JOBS_A_BATCH = 5000
_COMMAND = core(Command)
_UNSENT = [str(s) for s in (JobStatus.PENDING, JobStatus.DEFINED, JobStatus.ASSIGNED,
                            JobStatus.ACTIVATED)]  # fmt: skip
_WITHOUT_PILOT = [*_UNSENT, str(JobStatus.MERGING)]
_WITH_PILOT = [str(s) for s in (JobStatus.SENT, JobStatus.STARTING, JobStatus.RUNNING)]


def command(books: Books, task_id: int, request: CommandRequest, user: str) -> CommandAnswer:
    """Accept a command for a task; the command stage carries it out.

    Raises:
        InvalidRequest: there is no such command, `soft` or `parameters` do not go with it, or a
            parameter is wrong.
        NotFound: there is no such task.
        WrongStatus: the task's status does not take it.
    """
    _check(request)
    with books.write() as session:
        task = session.get(Task, task_id)
        if task is None:
            raise NotFound(f"no task {task_id}")
        if MACHINE.target(TaskStatus(task.status), EVENTS[request.command]) is None:
            raise WrongStatus(_refusal(task, request.command))
        if request.parameters:
            changed_spec(session, task, request.parameters)
        session.add(Command(
            task_id=task_id, command=request.command, soft=request.soft, user_name=user,
            reason=request.reason, at=database_time(session),
            parameters=request.parameters or None,
        ))  # fmt: skip
        wake(session, Topic.COMMAND_GIVEN)
    return CommandAnswer(task_id=task_id, code=0, message=f"{request.command} accepted")


def _check(request: CommandRequest) -> None:
    if request.command not in EVENTS:
        fault = FieldFault("command", request.command, unknown_name(request.command, EVENTS))
        raise InvalidRequest(f"no command {request.command}", faults=[fault])
    if request.soft and request.command != "finish":
        fault = FieldFault("soft", "true", "goes with finish only")
        raise InvalidRequest(f"{request.command} cannot be soft", faults=[fault])
    if request.parameters and request.command != "incexec":
        fault = FieldFault("parameters", ", ".join(request.parameters), "go with incexec only")
        raise InvalidRequest(f"{request.command} takes no parameters", faults=[fault])


def _refusal(task: Task, name: str) -> str:
    takers = sorted(str(status) for status in MACHINE.sources(EVENTS[name]))
    return f"task {task.id} is {task.status}: {name} needs one of {', '.join(takers)}"


def _act(act: Act) -> Outcome:
    statement = (
        model_select(Command)
        .where(Command.task_id == act.task_id, col(Command.done_at).is_(None))
        .order_by(col(Command.id))
    )
    order = act.session.exec(statement, execution_options=FRESH).first()
    if order is None:
        return Outcome(act.task_id, "no command is left")
    why = Why(order.user_name, order.reason or f"{order.command} by {order.user_name}")
    # A task that is released may wait as before: what for is not forgotten.
    kept = {"reason": TASK.c.reason} if order.command == "release" else {}
    moved = move_tasks(act.session, [act.task_id], EVENTS[order.command], why, **kept)
    if moved:
        _task_too(act, order)
    else:
        # Its end was not looked at while it was to be told something.
        let_workflows_know(act.session, [act.task_id])
    n_jobs, more = _jobs_too(act, order, why)
    if more:
        return Outcome(act.task_id, f"{order.command}: {n_jobs} jobs", n_done=n_jobs, again=True)
    order.outcome = "done" if moved or n_jobs else "the task had moved on"
    order.done_at = database_time(act.session)
    act.session.add(order)
    act.session.flush()
    wake(act.session, Topic.COMMAND_GIVEN, Topic.TASK_ENDING)
    return Outcome(act.task_id, f"{order.command}: {order.outcome}", n_done=1, again=True)


def _task_too(act: Act, order: Command) -> None:
    """What the command means for the task itself, beside its status."""
    if order.command == "incexec":
        change_parameters(act.session, act.task_id, order.parameters or {})
        wake(act.session, Topic.TASK_TO_RETRY)
    elif order.command == "avalanche":
        skip_scouts(act.session, act.task_id)
        wake(act.session, Topic.TASK_READY)
    elif order.command == "release":
        release(act.session, act.task_id)
        wake(act.session, Topic.TASK_READY)
    elif order.command in ("resume", "reactivate"):
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == act.task_id).values(next_look_at=None)
        )


def _jobs_too(act: Act, order: Command, why: Why) -> tuple[int, bool]:
    """What the command means for the task's jobs; how many moved, and whether more are left."""
    task = act.session.get_one(Task, act.task_id, populate_existing=True)
    if order.command == "kill" or (order.command == "finish" and not order.soft):
        if task.status not in (TaskStatus.ABORTING, TaskStatus.FINISHING):
            return 0, False
        n_jobs, more = _end(act, task, JobEvent.CANCELLED, why, _to_end(order))
        if not more:
            _kill_running(act, why, _to_end(order))
        look_at_merges(act.session, task.id)
        return n_jobs, more
    if order.command == "finish":
        look_at_merges(act.session, task.id)
    if order.command == "pause" and task.status == TaskStatus.PAUSED:
        # Jobs that nobody has yet are closed: resuming generates them anew.
        return _end(act, task, JobEvent.CLOSED, why, JOB.c.status != str(JobStatus.MERGING))
    return 0, False


def _to_end(order: Command) -> ColumnElement[bool]:
    """The jobs that a command is about: who finishes a task wants what is done merged still."""
    if order.command == "kill":
        return true()
    return and_(JOB.c.kind != str(JobKind.MERGE), JOB.c.status != str(JobStatus.MERGING))


def _end(
    act: Act, task: Task, event: JobEvent, why: Why, which: ColumnElement[bool]
) -> tuple[int, bool]:
    ids = act.session.connection().execute(
        select(JOB.c.id)
        .where(JOB.c.task_id == task.id, JOB_ALIVE, JOB.c.status.in_(_WITHOUT_PILOT), which)
        .order_by(JOB.c.id).limit(JOBS_A_BATCH)
    ).scalars().all()  # fmt: skip
    end_unsent(act.session, task, ids, event, why)
    return len(ids), len(ids) == JOBS_A_BATCH


def end_unsent(
    session: Session, task: Task, job_ids: Iterable[int], event: JobEvent, why: Why
) -> list[int]:
    """Close or cancel jobs that no pilot has; gives those that no pilot got meanwhile.

    Their input is given back: of closed ones as it was, of cancelled ones less one of the
    owner's attempts, or the system would bring back for ever what a person kills.
    """
    by_person = event == JobEvent.CANCELLED
    code = ServerError.KILLED_BY_USER if by_person else ServerError.TASK_ENDED
    moved = move_jobs(
        session, job_ids, event, why, server_error_code=int(code), server_error_diag=why.reason
    )
    if by_person:
        settle_failed(session, task, dict.fromkeys(moved, True))
    else:
        settle_unrun(session, task, moved)
    return moved


def _kill_running(act: Act, why: Why, which: ColumnElement[bool]) -> None:
    killed = act.session.connection().execute(
        update(JOB)
        .where(JOB.c.task_id == act.task_id, JOB_ALIVE, JOB.c.status.in_(_WITH_PILOT), which)
        .values(kill_reason=why.reason or "killed")
    )
    if killed.rowcount:
        wake(act.session, Topic.KILL_REQUESTED)


STAGE = Stage(
    name="command",
    topics=(Topic.COMMAND_GIVEN,),
    candidates=tasks_where(
        TASK.c.id.in_(select(_COMMAND.c.task_id).where(_COMMAND.c.done_at.is_(None)))
    ),
    act=_act,
)
