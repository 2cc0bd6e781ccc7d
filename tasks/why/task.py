"""Why a task stands where it stands, whatever its status is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import func, select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.error_codes import SERVER_KINDS, words
from culm.wire.why import Why
from tasks.lifecycles import TASK as MACHINE
from tasks.stages.pauses import pausing
from tasks.stages.throttle import why_throttled
from tasks.statuses import JobStatus, TaskStatus
from tasks.store.moves import database_time
from tasks.store.tables import DATASET, DECISION, HISTORY, JOB
from tasks.tables import Task
from tasks.views.shown import moment
from tasks.why.brokerage import of_brokerage
from tasks.why.findings import ENDED, NEVER, NOT_YET, TAKEN, WAITS, Finding, many, seconds, since
from tasks.why.lines import of_lines
from tasks.why.nuclei import kept_choice, of_nuclei
from tasks.why.search import limit_of_search, of_search
from tasks.why.serving import merging_in_words

ERRORS_SHOWN = 3
_T = TaskStatus
_NEXT = {
    _T.REGISTERED: "refine reads its parameters", _T.REREFINE: "refine reads its parameters",
    _T.DEFINED: "feed lists its input", _T.ASSIGNING: "assign chooses where its output goes",
    _T.TOPREPROCESS: "it is preprocessed", _T.PREPROCESSING: "it is being preprocessed",
    _T.PREPARED: "its outputs are closed and it ends", _T.TORETRY: "its failed input is given back",
    _T.TOINCEXEC: "its parameters are changed", _T.TOBROKEN: "it is broken off",
}  # fmt: skip
_ENDING = (_T.ABORTING, _T.FINISHING)


def why_task(session: Session, task_id: int, *, with_queues: bool = False) -> Why:
    """What hinders a task, or how far it is.

    Raises:
        NotFound: there is no such task.
    """
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(f"no task {task_id}")
    found = _with_nucleus(session, task, _finding(session, task, with_queues))
    kept = (
        session.connection()
        .execute(select(DECISION.c.at, DECISION.c.cycle).where(DECISION.c.task_id == task_id))
        .first()
    )
    return Why(
        noun="task", id=task_id, task_id=task_id, status=task.status, verdict=found.verdict,
        summary=found.summary, details=found.details, rules=found.rules, changes=found.changes,
        queues=found.queues, nuclei=found.nuclei, brokered_at=moment(kept.at) if kept else None,
        cycle=kept.cycle if kept else None,
    )  # fmt: skip


def _with_nucleus(session: Session, task: Task, found: Finding) -> Finding:
    """With the nucleus that was chosen for its output, if one was."""
    words_, nuclei = kept_choice(session, task)
    if not words_ or task.status in MACHINE.final:
        return found
    return replace(found, details=(*found.details, words_), nuclei=nuclei)


def _finding(session: Session, task: Task, with_queues: bool) -> Finding:
    status = TaskStatus(task.status)
    if status in MACHINE.final:
        return _ended(session, task)
    if status in _NEXT:
        age = since(task.modified_at, database_time(session))
        return Finding(verdict=WAITS, summary=f"next, {_NEXT[status]}; it waits for {age}",
                       details=(_DAEMON,))  # fmt: skip
    if status in _ENDING:
        return _ending(session, task)
    handlers: dict[TaskStatus, Callable[[Session, Task], Finding | None]] = {
        _T.PAUSED: _paused, _T.THROTTLED: _throttled, _T.PENDING: _awaits_input,
    }  # fmt: skip
    handler = handlers.get(status)
    found = handler(session, task) if handler else None
    if found is None:
        found = _next_jobs(session, task, with_queues)
    elif with_queues:
        found = replace(found, queues=of_brokerage(session, task, with_queues=True).queues)
    return found


_DAEMON = "a daemon takes it up within moments; if none runs: culm daemon"


def _ended(session: Session, task: Task) -> Finding:
    summary = f"it has ended: {task.status}" + f", {task.reason}" * bool(task.reason)
    details = list(_errors(session, task.id))
    if task.status == _T.EXHAUSTED:
        details.append(f"change it: culm task incexec {task.id} --set NAME=VALUE; or let it go on "
                       f"as it is: culm task avalanche {task.id}")  # fmt: skip
    elif task.status in (_T.FINISHED, _T.ABORTED):
        details.append(f"what failed can be tried again: culm task retry {task.id}")
    return Finding(verdict=ENDED, summary=summary, details=tuple(details))


def _errors(session: Session, task_id: int) -> list[str]:
    """What most of its failed jobs failed of."""
    rows = session.connection().execute(
        select(JOB.c.pilot_error_code, JOB.c.server_error_code, func.count().label("n"))
        .where(JOB.c.task_id == task_id, JOB.c.status == str(JobStatus.FAILED))
        .group_by(JOB.c.pilot_error_code, JOB.c.server_error_code)
        .order_by(func.count().desc()).limit(ERRORS_SHOWN)
    )  # fmt: skip
    return [f"{many(n, 'job')} failed: {error_in_words(*codes)}" for *codes, n in rows]


def error_in_words(pilot_error_code: int, server_error_code: int) -> str:
    """What a job failed of."""
    if server_error_code in SERVER_KINDS and server_error_code:
        return SERVER_KINDS[server_error_code].words
    return words(pilot_error_code) if pilot_error_code else "its payload said so"


def _ending(session: Session, task: Task) -> Finding:
    left = of_lines(session, task.id)
    if left is None:
        return Finding(verdict=WAITS, summary="all its jobs have ended, it ends next",
                       details=(_DAEMON,))  # fmt: skip
    return replace(left, summary=f"it is told to end and waits for its jobs: {left.summary}")


def _paused(session: Session, task: Task) -> Finding:
    last = session.connection().execute(
        select(HISTORY.c.actor, HISTORY.c.at)
        .where(HISTORY.c.noun == "task", HISTORY.c.entity_id == task.id,
               HISTORY.c.to_status == str(_T.PAUSED))
        .order_by(HISTORY.c.id.desc()).limit(1)
    ).first()  # fmt: skip
    age = since(last.at, database_time(session)) if last else ""
    who = f"{last.actor} paused it {age} ago" if last else "it is paused"
    return Finding(verdict=NOT_YET, summary=f"{who}: no new jobs until it is resumed",
                   details=(f"culm task resume {task.id}",))  # fmt: skip


def _throttled(session: Session, task: Task) -> Finding:
    now = why_throttled(session, (task.share_name, task.resource_type))
    if not now:
        words_ = f"its share {task.share_name} has room again: it goes on within a minute"
        return Finding(verdict=NOT_YET, summary=words_, details=(_DAEMON,))
    return Finding(
        verdict=NOT_YET, summary=f"its share has enough queued: {now}",
        details=("it goes on when some of that has run; culm share show",),
    )  # fmt: skip


def _awaits_input(session: Session, task: Task) -> Finding | None:
    """For pending tasks that brokerage has not come to."""
    place = of_nuclei(session, task) if _n_unused(session, task.id) else None
    if place is not None:
        return place
    looked_at = task.next_look_at is not None
    if looked_at and not (task.input_open and _n_unused(session, task.id) == 0):
        return None
    details = []
    if task.parent_task_id is not None:
        parent = session.get(Task, task.parent_task_id)
        if parent is not None:
            details.append(f"task {parent.id}, which makes its input, is {parent.status}: "
                           f"culm why {parent.id}")  # fmt: skip
    return Finding(verdict=NOT_YET, summary=task.reason or "it waits for its input",
                   details=tuple(details))  # fmt: skip


def _next_jobs(session: Session, task: Task, with_queues: bool) -> Finding:
    """Its jobs where they are; and what hinders further ones, if input is left for some."""
    lines, n_unused = of_lines(session, task.id), _n_unused(session, task.id)
    if not n_unused:
        merging = merging_in_words(session, task)
        if lines and merging:
            lines = replace(lines, details=(*lines.details, merging))
        return lines or of_search(session, task) or _OVER
    brokered = of_brokerage(session, task, with_queues=with_queues)
    throttled = why_throttled(session, (task.share_name, task.resource_type))
    if lines is None:
        return _unbrokered(session, task, brokered, throttled)
    further = f"no further jobs for now: {throttled}" if throttled else _further(brokered)
    further = limit_of_search(session, task) or _pausing(session, task) or further
    # What is not in a job yet may go elsewhere, whatever becomes of those that wait.
    verdict = NOT_YET if lines.verdict == NEVER else lines.verdict
    return replace(
        brokered, verdict=verdict, details=(*lines.details, further),
        summary=f"{lines.summary}, {many(n_unused, 'input file')} not in a job yet",
    )  # fmt: skip


_OVER = Finding(
    verdict=WAITS, summary="no input is left and no job is alive: it ends next",
    details=(_DAEMON,),
)  # fmt: skip


def _further(brokered: Finding) -> str:
    return f"further jobs: {brokered.summary}"


def _unbrokered(session: Session, task: Task, brokered: Finding, throttled: str) -> Finding:
    details = brokered.details
    words_ = _pausing(session, task)
    if words_:
        details = (*_errors(session, task.id), *details)
        return replace(brokered, verdict=NOT_YET, summary=words_, details=details)
    if throttled:
        return replace(brokered, verdict=NOT_YET, summary=f"it is held back: {throttled}")
    if task.status == _T.PENDING and task.next_look_at is not None:
        ahead = (task.next_look_at - database_time(session)).total_seconds()
        again = f"in {max(0, round(ahead / 60))} min" if ahead > 0 else "now"
        details = (*details, f"it is looked at again {again}, or when a queue changes")
    if brokered.verdict == TAKEN and task.reason:
        return replace(brokered, verdict=NOT_YET, details=(f"held back: {task.reason}", *details))
    return replace(brokered, details=details)


def _pausing(session: Session, task: Task) -> str:
    """What is said if all input that is left pauses; else nothing."""
    found = pausing(session, task.id)
    if found is None or found.n_files < _n_unused(session, task.id):
        return ""
    files, soonest = many(found.n_files, "input file"), seconds(found.seconds)
    return f"the system failed {files} again and again: the next try is in {soonest}"


def _n_unused(session: Session, task_id: int) -> int:
    return int(session.connection().execute(
        select(func.coalesce(func.sum(DATASET.c.n_files - DATASET.c.n_files_used), 0))
        .where(DATASET.c.task_id == task_id, DATASET.c.is_primary)
    ).scalar_one())  # fmt: skip
