"""Ended merge jobs: what they merged counts, or waits to be merged again, or has failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlmodel import Session

from culm.wire.error_codes import ServerError, words
from tasks.lifecycles import FileEvent, JobEvent
from tasks.retry_rules import Tries, after_failure
from tasks.stages import settle_runs
from tasks.statuses import MERGE_INPUT, FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.moves import Why, move_files, move_jobs
from tasks.store.tables import FILE, JOB, JOB_FILE, TASK
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now

_WHY = Why("merge")


def settle_merged(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """The merged files are there: the run jobs behind them have finished, their input counts."""
    runs = {row.run_id for row in _inputs(session, job_ids)}
    moved = move_jobs(session, sorted(runs), JobEvent.SUCCEEDED, _WHY)
    settle_runs.settle_succeeded(session, task, moved)


def settle_unmerged(session: Session, task: Task, spends: Mapping[int, bool]) -> None:
    """What failed merges had is merged again; after its tries its run jobs fail.

    If merging itself fails, it would fail again whatever runs once more: then the input has
    failed too. If a pilot or storage was at fault, the input is tried again.
    """
    settle_runs.fail_outputs(session, list(spends))
    ending = task.status == TaskStatus.ABORTING
    again: dict[bool, list[int]] = defaultdict(list)
    given_up: dict[bool, dict[int, int]] = defaultdict(dict)
    for row in _inputs(session, list(spends)):
        spent = spends[row.merge_id]
        tries = Tries(row.n_failed, row.n_lost, row.max_attempts)
        event, _ = after_failure(tries, spent, ending)
        if event == FileEvent.TO_BE_TRIED_AGAIN:
            again[spent].append(row.file_id)
        else:
            given_up[spent][row.run_id] = row.merge_id
    for spent, file_ids in again.items():
        name = "n_failed" if spent else "n_lost"
        _undo(session, task, file_ids, {name: FILE.c[name] + 1})
    for spent, runs in given_up.items():
        _fail(session, task, runs)
        # The merges' tries are used up, not the input's: those of the pilots' fault go on.
        settle_runs.settle_failed(session, task, dict.fromkeys(runs, spent), for_good=spent)


def settle_unstarted(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """Merges that never ran: what they had waits for others."""
    settle_runs.fail_outputs(session, job_ids)
    _undo(session, task, [row.file_id for row in _inputs(session, job_ids)], {})


def _undo(session: Session, task: Task, file_ids: Sequence[int], values: Mapping[str, Any]) -> None:
    move_files(session, id_in(FILE.c.id, file_ids, session), FileEvent.MERGE_UNDONE, **values)
    session.connection().execute(update(TASK).where(TASK.c.id == task.id).values(merge_at=db_now()))
    wake(session, Topic.MERGE_DUE)


def _fail(session: Session, task: Task, runs: Mapping[int, int]) -> None:
    merges = session.connection().execute(
        select(JOB.c.id, JOB.c.pilot_error_code, JOB.c.pilot_error_diag, JOB.c.server_error_diag)
        .where(JOB.c.task_id == task.id, id_in(JOB.c.id, set(runs.values()), session))
    )  # fmt: skip
    said = {row.id: row.server_error_diag or row.pilot_error_diag or words(row.pilot_error_code)
            for row in merges}  # fmt: skip
    code = int(ServerError.MERGE_FAILED)
    move_jobs(session, sorted(runs), JobEvent.FAILED, _WHY, server_error_code=code)
    session.connection().execute(
        update(JOB).where(JOB.c.id == bindparam("run")).values(server_error_diag=bindparam("diag")),
        [{"run": run, "diag": f"merge job {merge} failed: {said[merge]}"}
         for run, merge in runs.items()],
    )  # fmt: skip


def _inputs(session: Session, job_ids: Sequence[int]) -> Sequence[Any]:
    """What these merge jobs have still to merge, with the run job that wrote it."""
    return session.connection().execute(
        select(JOB_FILE.c.job_id.label("merge_id"), FILE.c.job_id.label("run_id"),
               FILE.c.id.label("file_id"), FILE.c.n_failed, FILE.c.n_lost, FILE.c.max_attempts)
        .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
        .where(id_in(JOB_FILE.c.job_id, job_ids, session), JOB_FILE.c.kind == MERGE_INPUT,
               FILE.c.status == str(FileStatus.MERGING))
        .order_by(JOB_FILE.c.job_id, FILE.c.id)
    ).all()  # fmt: skip
