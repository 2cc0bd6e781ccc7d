"""Ended build jobs: their run jobs are activated in bulk, or closed where nothing was built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, literal, select, update
from sqlmodel import Session

from culm.wire.error_codes import ServerError, words
from tasks.lifecycles import FileEvent, JobEvent
from tasks.retry_rules import Tries, after_failure
from tasks.stages.builds import Attempt, write_build_jobs
from tasks.stages.settle_runs import ENDING, fail_outputs, settle_unrun
from tasks.statuses import LIB_INPUT, DatasetKind, JobStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.moves import Why, move_jobs
from tasks.store.tables import BUILD, JOB, JOB_ALIVE, JOB_FILE, QUEUE
from tasks.store.topics import Topic
from tasks.tables import Task

_WHY = Why("build")
_DEFINED = str(JobStatus.DEFINED)


def settle_built(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """The lib files are there: what waits for them at their queues may run."""
    for row in _builds(session, task, job_ids):
        session.connection().execute(
            update(BUILD).where(BUILD.c.task_id == task.id, BUILD.c.queue_id == row.queue_id)
            .values(lib_file_id=row.file_id)
        )  # fmt: skip
        _activate(session, task, row)


def settle_unbuilt(session: Session, task: Task, spends: Mapping[int, bool]) -> None:
    """Failed builds are tried again; after its tries a build's run jobs are closed."""
    fail_outputs(session, list(spends))
    ending = TaskStatus(task.status) in ENDING
    for row in _builds(session, task, list(spends)):
        tries = Tries(row.n_failed, row.n_lost, task.max_attempts)
        event, now = after_failure(tries, spends[row.id], ending)
        values: dict[str, Any] = {"n_failed": now.n_failed, "n_lost": now.n_lost}
        if event == FileEvent.TO_BE_TRIED_AGAIN:
            again = Attempt(row.queue_id, row.attempt_nr + 1, retry_of=row.id)
            values["job_id"] = write_build_jobs(session, task, [again])[0]
            wake(session, Topic.JOB_ACTIVATED)
        else:
            values["reason"] = _why(row)
        session.connection().execute(
            update(BUILD).where(BUILD.c.task_id == task.id, BUILD.c.queue_id == row.queue_id)
            .values(**values)
        )  # fmt: skip
        if "reason" in values:
            close_waiting(session, task, row.queue_id, values["reason"])


def settle_unstarted(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """Builds that never ran: what waits for them goes elsewhere; here it may be built later."""
    fail_outputs(session, job_ids)
    for row in _builds(session, task, job_ids):
        session.connection().execute(
            delete(BUILD).where(BUILD.c.task_id == task.id, BUILD.c.queue_id == row.queue_id)
        )
        close_waiting(
            session, task, row.queue_id, f"its build job {row.id} was closed before it ran"
        )


def close_waiting(session: Session, task: Task, queue_id: int, reason: str) -> None:
    """Close the run jobs that wait for a build; their input goes back as it was."""
    moved = move_jobs(
        session, _waiting(session, task, queue_id), JobEvent.CLOSED, Why("build", reason),
        server_error_code=int(ServerError.BUILD_FAILED), server_error_diag=reason,
    )  # fmt: skip
    settle_unrun(session, task, moved)


def _waiting(session: Session, task: Task, queue_id: int) -> list[int]:
    return list(session.connection().execute(
        select(JOB.c.id).where(JOB.c.task_id == task.id, JOB_ALIVE, JOB.c.status == _DEFINED,
                               JOB.c.queue_id == queue_id)
    ).scalars())  # fmt: skip


def _activate(session: Session, task: Task, row: Any) -> None:
    seen = dict.fromkeys(_waiting(session, task, row.queue_id), _DEFINED)
    moved = move_jobs(session, seen, JobEvent.ACTIVATED, _WHY, seen=seen)
    names = ("job_id", "file_id", "dataset_id", "kind")
    session.connection().execute(insert(JOB_FILE).from_select(
        names,
        select(JOB.c.id, literal(row.file_id), literal(row.dataset_id), literal(LIB_INPUT))
        .where(id_in(JOB.c.id, moved, session)),
    ))  # fmt: skip
    if moved:
        wake(session, Topic.JOB_ACTIVATED)


def _builds(session: Session, task: Task, job_ids: Sequence[int]) -> Sequence[Any]:
    """What is known of builds whose job is still the latest of its queue."""
    mine = BUILD.alias("mine")
    return session.connection().execute(
        select(JOB.c.id, JOB.c.attempt_nr, JOB.c.queue_id, JOB.c.pilot_error_code,
               JOB.c.pilot_error_diag, JOB.c.server_error_diag, QUEUE.c.name,
               JOB_FILE.c.file_id, JOB_FILE.c.dataset_id, mine.c.n_failed, mine.c.n_lost)
        .join(mine, (mine.c.task_id == JOB.c.task_id) & (mine.c.queue_id == JOB.c.queue_id)
              & (mine.c.job_id == JOB.c.id))
        .join(JOB_FILE, JOB_FILE.c.job_id == JOB.c.id)
        .outerjoin(QUEUE, QUEUE.c.id == JOB.c.queue_id)
        .where(JOB.c.task_id == task.id, id_in(JOB.c.id, job_ids, session),
               JOB_FILE.c.kind == str(DatasetKind.LIB))
        .order_by(JOB.c.id)
    ).all()  # fmt: skip


def _why(row: Any) -> str:
    diag = row.server_error_diag or row.pilot_error_diag or words(row.pilot_error_code)
    return f"build job {row.id} failed at queue {row.name}: {diag}"
